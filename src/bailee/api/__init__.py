"""What each endpoint accepts and answers. It never decides."""
