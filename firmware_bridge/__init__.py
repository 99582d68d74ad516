"""Between the companion computer and flight controllers or microcontrollers."""
