"""Buffers a site's transactions in Redis while its main database is slow or away."""
