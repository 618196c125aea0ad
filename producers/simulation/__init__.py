"""A believable shop: who writes, what they write, and what agents do about it. Pure: no clock, no I/O, seeded."""
