"""A client of OpenAI-compatible servers on the standard library alone, for the commands that talk to one.

What it supports: HTTP/1.1; TLS with the system's certificates, those of ``SSL_CERT_FILE``, or a file of one's own;
http:// proxies of the environment (``http_proxy``, ``https_proxy``, ``all_proxy``, ``no_proxy``), never for loopback.
What it does not: SOCKS and https:// proxies, client certificates, compression, redirects (a key must not follow them).

httpx would do the same. It is left to the tests, because what runs beside it in a gateway would gain nothing from it:
this is a fifth of the code of its connection pool, and a command has one request at a time.
"""
