"""What is around a charger: sites of many sources as one, places worth walking to, and the way there."""
