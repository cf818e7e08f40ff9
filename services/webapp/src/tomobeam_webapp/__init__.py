"""The page on which scientists mark, train, segment and look."""
