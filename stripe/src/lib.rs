//! What Stripe says: signatures, facts from payloads of any version, a thin client.
