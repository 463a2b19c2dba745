//! The rooms: what is sold, ordered, handed over and taken back.
