"""Jobs and sensors, and later schedules."""
