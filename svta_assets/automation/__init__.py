"""Jobs, and later schedules and sensors."""
