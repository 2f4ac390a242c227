"""Measuring the gateway: load, faults and a simulated fleet. It asks real processes; the gateway never imports it."""
