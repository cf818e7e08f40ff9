"""The service descriptions of tomobeam and what renders them."""
