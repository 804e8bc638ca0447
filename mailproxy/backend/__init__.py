"""A backend for one protocol: the pool of its servers, what each comes from, and the header for them."""
