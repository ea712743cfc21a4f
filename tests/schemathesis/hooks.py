"""What Schemathesis cannot know of the document by itself."""

import schemathesis


@schemathesis.serializer("application/wasm")
def component(ctx, value):
    """A component goes out as the bytes that it is."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """The program that is tried answers on plain http, where the cookie has no prefix (a browser would not take it with one)."""
    raw_schema["components"]["securitySchemes"]["sign_in"]["name"] = "toolwright"
