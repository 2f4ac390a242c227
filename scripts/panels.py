"""What Grafana's dashboard shows: rows of panels with titles, queries and units.

It must not know Grafana's JSON. ``$model`` and ``$instance`` are the dashboard's variables, ``$__rate_interval`` is
Grafana's own.
"""

from __future__ import annotations

from typing import NamedTuple

HERE = 'model=~"$model", instance=~"$instance"'
RATE = "[$__rate_interval]"


class Panel(NamedTuple):
    """``queries``: a legend, in Grafana's form, and PromQL."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    why: str
    stacked: bool = False


def rate(name: str, by: str = "model", where: str = HERE) -> str:
    return f"sum by ({by}) (rate({name}{{{where}}}{RATE}))"


def quantiles(name: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"{{{{model}}}} p{share}", f"histogram_quantile(0.{share}, {rate(f'{name}_bucket', 'model, le')})")
        for share in (50, 95, 99)
    )


def total(name: str, by: str = "model", where: str = HERE) -> str:
    return f"sum by ({by}) ({name}{{{where}}})"


PER_ENDPOINT = "model, endpoint"
ENDPOINT = "{{endpoint}}"

ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "What clients get",
        (
            Panel(
                "Requests by outcome",
                "reqps",
                (("{{outcome}}", rate("gateway_requests_total", "outcome")),),
                "stop, length and tool_calls are answers; cancelled is a client who left; the rest are errors.",
                True,
            ),
            Panel(
                "HTTP answers by status",
                "reqps",
                (("{{status}}", rate("gateway_http_responses_total", "status", 'instance=~"$instance"')),),
                "Of all routes, also those that were refused before any generation. 499: the client had left.",
                True,
            ),
            Panel(
                "Time to first token",
                "s",
                quantiles("gateway_time_to_first_token_seconds"),
                "With the time in the queue.",
            ),
            Panel(
                "Time between tokens",
                "s",
                quantiles("gateway_inter_token_seconds"),
                "As the gateway hands them on; several that came together count as one.",
            ),
            Panel(
                "Duration of requests",
                "s",
                quantiles("gateway_request_duration_seconds"),
                "From the start of the generation to its end.",
            ),
            Panel("Time in the queue", "s", quantiles("gateway_queue_seconds"), "Of generations that were let in."),
        ),
    ),
    (
        "How much",
        (
            Panel(
                "Tokens",
                "short",
                (
                    ("{{model}} prompt", rate("gateway_prompt_tokens_total")),
                    ("{{model}} cached", rate("gateway_cached_tokens_total")),
                    ("{{model}} generated", rate("gateway_generated_tokens_total")),
                    ("{{model}} of them thinking", rate("gateway_reasoning_tokens_total")),
                ),
                "Each second. What was generated is counted when a request ends.",
            ),
            Panel(
                "Under way and waiting",
                "short",
                (
                    ("{{model}} under way", total("gateway_requests_in_flight")),
                    ("{{model}} waiting", total("gateway_queue_requests")),
                ),
                "Under way includes those that wait.",
            ),
            Panel(
                "Not let in, kept out",
                "reqps",
                (
                    ("{{model}} {{reason}}", rate("gateway_not_admitted_total", "model, reason")),
                    ("key: {{reason}}", rate("gateway_refused_total", "reason", 'instance=~"$instance"')),
                ),
                "The queue was full or took too long, the client left it, or the key did not allow the request.",
            ),
            Panel(
                "Prompts found in the cache",
                "percentunit",
                (("{{model}}", f"{rate('gateway_cached_tokens_total')} / {rate('gateway_prompt_tokens_total')}"),),
                "Of the tokens of prompts, where engines say so.",
            ),
        ),
    ),
    (
        "Tritons",
        (
            Panel(
                "State",
                "short",
                (
                    (
                        "{{endpoint}} {{state}}",
                        f"{total('gateway_endpoint_state', 'model, endpoint, state')} > 0",
                    ),
                ),
                "How many of the gateways' processes see it so.",
                True,
            ),
            Panel(
                "Usable Tritons",
                "short",
                (("{{model}} {{instance}}", f"model:gateway_endpoints_usable:count{{{HERE}}}"),),
                "That take requests, by gateway.",
            ),
            Panel(
                "Errors and fail-overs",
                "reqps",
                (
                    ("{{model}} {{kind}}", rate("gateway_upstream_errors_total", "model, kind")),
                    ("{{model}} sent elsewhere", rate("gateway_failovers_total")),
                ),
                "refused: not begun there; failed: broken there; silent: no token within a deadline.",
            ),
            Panel(
                "Requests in flight",
                "short",
                ((ENDPOINT, total("gateway_endpoint_requests_in_flight", PER_ENDPOINT)),),
                "Sent by these gateways.",
            ),
            Panel(
                "Outstanding tokens",
                "short",
                ((ENDPOINT, total("gateway_endpoint_outstanding_tokens", PER_ENDPOINT)),),
                "What requests are chosen by: tokens that are yet to be made.",
            ),
            Panel(
                "Slowness",
                "short",
                ((ENDPOINT, f"max by ({PER_ENDPOINT}) (gateway_endpoint_slowness{{{HERE}}})"),),
                "Times the seconds per token of the quicker ones.",
            ),
            Panel(
                "The engines' own counts",
                "short",
                (
                    (
                        "{{endpoint}} {{state}}",
                        f"max by (model, endpoint, state) (gateway_endpoint_engine_requests{{{HERE}}})",
                    ),
                ),
                "Requests of all their users. Empty without triton_metrics.",
            ),
            Panel(
                "KV cache used",
                "percentunit",
                ((ENDPOINT, f"max by ({PER_ENDPOINT}) (gateway_endpoint_kv_cache_used_ratio{{{HERE}}})"),),
                "By the engine's own count. Empty without triton_metrics, or where the engine does not say.",
            ),
        ),
    ),
    (
        "Gateways",
        (
            Panel(
                "Event loop lag",
                "s",
                (("{{instance}} p99", 'instance:gateway_event_loop_lag_seconds:p99_5m{instance=~"$instance"}'),),
                "How late everything is that the gateway does.",
            ),
            Panel(
                "CPU",
                "short",
                (
                    (
                        "{{instance}} {{worker}}",
                        rate("gateway_worker_cpu_seconds_total", "instance, worker", 'instance=~"$instance"'),
                    ),
                ),
                "Cores; a process can use one.",
            ),
            Panel(
                "Memory",
                "bytes",
                (
                    (
                        "{{instance}} {{worker}}",
                        total("gateway_worker_memory_bytes", "instance, worker", 'instance=~"$instance"'),
                    ),
                ),
                "Resident, of each process.",
            ),
            Panel(
                "Processes that began",
                "short",
                (("{{instance}}", 'increase(gateway_worker_starts_total{instance=~"$instance"}[15m])'),),
                "Within fifteen minutes. Above 0 without a roll: they crash.",
            ),
        ),
    ),
)
