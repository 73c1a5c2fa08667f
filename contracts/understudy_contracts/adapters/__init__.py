"""Small programs that let `understudy check client` speak to a client library. See PROTOCOL.md."""
