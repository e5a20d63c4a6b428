"""What providers tell us: verified, stored, answered, and worked on later, in any order, any number of times."""
