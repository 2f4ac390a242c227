"""A simulated fleet of Tritons under the gateway's own balancing code: which policy is best, and why.

It knows nothing that was measured on GPUs: engines, lengths and arrivals are assumptions, all in ``workload`` and
``engine``. Policies are compared with each other; the seconds themselves promise nothing.
"""
