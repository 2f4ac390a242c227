"""A configuration of nginx that spreads requests over several tritonservers, HTTP and gRPC.

Pure text, for the ``http`` block: a file of conf.d. What it says of time and buffers is for answers that are streamed
for minutes. Must not know whether there is an nginx.
"""

from __future__ import annotations

from collections.abc import Sequence

HEADER = "# Written by model-repo-builder launch."

_SERVER = """\
upstream {name} {{
    least_conn;
{servers}
    keepalive 64;
}}
"""
_HTTP = """\
server {{
    listen {port};
    client_max_body_size 0;
    gzip off;
    location / {{
        proxy_pass http://{name};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_buffering off;
        proxy_request_buffering off;
        proxy_connect_timeout 5s;
        proxy_read_timeout 1h;
        proxy_send_timeout 1h;
    }}
}}
"""
_GRPC = """\
server {{
    listen {port} http2;
    # One connection of a gateway carries all its streams, for as long as it lives.
    http2_max_concurrent_streams 10000;
    keepalive_requests 100000000;
    client_max_body_size 0;
    client_body_timeout 1h;
    location / {{
        grpc_pass grpc://{name};
        grpc_socket_keepalive on;
        grpc_connect_timeout 5s;
        grpc_read_timeout 1h;
        grpc_send_timeout 1h;
    }}
}}
"""


def nginx_conf(http: Sequence[str], grpc: Sequence[str], http_port: int, grpc_port: int) -> str:
    """``http`` and ``grpc``: the addresses of the instances."""
    return "\n".join(
        [
            HEADER,
            "# Include it in nginx's http block, for example as /etc/nginx/conf.d/triton.conf.",
            _upstream("triton_http", http),
            _upstream("triton_grpc", grpc),
            _HTTP.format(port=http_port, name="triton_http"),
            _GRPC.format(port=grpc_port, name="triton_grpc"),
        ]
    )


def _upstream(name: str, addresses: Sequence[str]) -> str:
    servers = "\n".join(f"    server {address} max_fails=1 fail_timeout=5s;" for address in addresses)
    return _SERVER.format(name=name, servers=servers)
