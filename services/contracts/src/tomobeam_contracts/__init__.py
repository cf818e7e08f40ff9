"""What passes between the services of tomobeam."""
