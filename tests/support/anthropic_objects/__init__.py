"""What the objects of Anthropic's Messages API are, written down once more for tests.

Written from its published description and the types of its Python package, independently of the gateway.
"""
