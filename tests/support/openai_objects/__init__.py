"""What OpenAI's objects are, written down once more for tests: required keys, nullability, enums, rules of streams.

Written from OpenAI's published description and the types of its Python package, independently of the gateway: a field
that the gateway adds, drops or misspells is an error here. What we add on purpose stands in ``base.EXTENSIONS``.
"""
