"""Internal: the learning site: courses, learners, what they are written about."""
