-- A link to sign in that is used was no attempt to guess: what was counted when it was asked for is taken back. It may be
-- followed from elsewhere, so the link says from where it was asked for, in the words of the throttle.
ALTER TABLE profile_links ADD COLUMN asked_from text;
