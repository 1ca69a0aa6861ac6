"""Values about what a workspace does by itself: work in it, when it rests, why it was stopped, when it starts."""
