"""Sets of many networks with a fast look-up, and the files that list them."""
