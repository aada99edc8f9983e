"""Values that cross rooms: frozen, written as JSON, unknown fields ignored so that old plans replay under new code."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """The base of every value that crosses rooms."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")
