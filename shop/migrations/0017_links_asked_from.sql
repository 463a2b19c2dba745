-- A link to sign in that is used was no attempt to guess: what was counted when it was asked for is taken back. It may be
-- followed from elsewhere, so the link says from where it was asked for, in the words of the throttle.
ALTER TABLE profile_links ADD COLUMN asked_from text;

-- The link in a mail is forgotten when the mail was sent, or when the link has ended.
CREATE INDEX mails_with_secret ON mails (useless_after) WHERE secret IS NOT NULL;
