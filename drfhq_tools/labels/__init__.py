"""What is said of a face: its gender, age group and race, by whom, and how surely."""
