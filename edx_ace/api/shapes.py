"""
Internal: shapes that the endpoints of campaigns and of automation have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any, ClassVar, TypeVar

from django.db import models
from rest_framework import serializers

from edx_ace.errors import did_you_mean

Row = TypeVar("Row", bound=models.Model)


class Moment(serializers.DateTimeField):
    """A time, in UTC wherever the site is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(default_timezone=UTC, **options)


class RowSerializer(serializers.ModelSerializer[Row]):
    """What a row of a table says."""

    serializer_field_mapping: ClassVar = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: Moment,
    }

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        """Return the field, without limits of numbers: these are the database's, and the functions tell them."""
        kind, options = super().build_standard_field(field_name, model_field)
        return kind, {name: value for name, value in options.items() if name not in ("min_value", "max_value")}


class Input(serializers.Serializer[Any]):
    """What a request has: a field that there is not is told, with the nearest that there is."""

    def to_internal_value(self, data: Any) -> Any:
        """Return what *data* says."""
        if isinstance(data, Mapping):
            refuse_unknown(data, self.fields)
        return super().to_internal_value(data)


def refuse_unknown(data: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """
    Do nothing if all of *data* is *known*.

    Raises:
        ValidationError: If not.
    """
    taken = [name for name, field in known.items() if not field.read_only]
    unknown = {
        name: [serializers.ErrorDetail(f"There is no such field.{did_you_mean(name, taken)}", "unknown_field")]
        for name in data
        if name not in taken
    }
    if unknown:
        raise serializers.ValidationError(unknown)


class LabelledSerializer(serializers.Serializer[Any]):
    """What has a label."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; as a class attribute the label would hide the serializer's own."""
        return {**super().get_fields(), "label": serializers.CharField(help_text="What people call it.")}


class WhySerializer(Input):
    """A sentence for people."""

    why = serializers.CharField(required=False, allow_blank=True, help_text="A sentence for people.")


class DeliverySerializer(serializers.Serializer[Any]):
    """What came of a message over one channel type."""

    channel_type = serializers.CharField()
    outcome = serializers.CharField()
    code = serializers.CharField()
    reason = serializers.CharField()


class ReportSerializer(serializers.Serializer[Any]):
    """What came of a test."""

    deliveries = DeliverySerializer(many=True)
