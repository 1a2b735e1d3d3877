"""HTTP/1.1 (RFC 9110, RFC 9112): one request, one reply, in order, on a connection that is kept."""

NAME = "http"  # the word for it on the command line and in records
