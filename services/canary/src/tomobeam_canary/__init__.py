"""A tiny scan that goes over every wire, and says hop by hop how it went."""
