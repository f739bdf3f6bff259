"""
Internal: the shapes of what endpoints take and give: only which fields there are, and of which types.

What is right is for the functions of campaigns to say, with all problems at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any, ClassVar, TypeVar

from django.db import models
from rest_framework import serializers

from edx_ace.campaigns import audiences, editing, finding
from edx_ace.campaigns.host import Action, host
from edx_ace.campaigns.models import Attachment, Campaign, Part, Variant
from edx_ace.campaigns.states import State
from edx_ace.channel.base import ALL_TYPES
from edx_ace.errors import did_you_mean

Row = TypeVar("Row", bound=models.Model)

CHANNEL_TYPES = [str(one) for one in ALL_TYPES]


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


class ChannelTypes(serializers.ListField):
    """Channel types, which a campaign has as one text."""

    child = serializers.ChoiceField(CHANNEL_TYPES)

    def to_representation(self, data: Any) -> list[Any]:
        """Return them as a list."""
        return [one for one in data.split(",") if one] if isinstance(data, str) else super().to_representation(data)


class VariantSerializer(RowSerializer[Variant]):
    """What is written for one channel type in one language."""

    body = serializers.CharField(read_only=True, help_text="The sanitised HTML: as it is sent, but for keywords.")

    class Meta:
        model = Variant
        fields = (*editing.VARIANT_FIELDS, "body")
        extra_kwargs: ClassVar = {"source": {"trim_whitespace": False}}

    def to_internal_value(self, data: Any) -> Any:
        """Return what *data* says."""
        if isinstance(data, Mapping):
            # What was read can be given back.
            data = {name: value for name, value in data.items() if name != "body"}
            refuse_unknown(data, self.fields)
        return super().to_internal_value(data)


class PartSerializer(RowSerializer[Part]):
    """One audience that a campaign goes to, or does not."""

    params = serializers.DictField(required=False, help_text="As the schema of the audience's parameters says.")
    description = serializers.SerializerMethodField(help_text="What is chosen, for people.")

    class Meta:
        model = Part
        fields = (*editing.PART_FIELDS, "description")

    def to_internal_value(self, data: Any) -> Any:
        """Return what *data* says."""
        if isinstance(data, Mapping):
            data = {name: value for name, value in data.items() if name != "description"}
            refuse_unknown(data, self.fields)
        return super().to_internal_value(data)

    def get_description(self, part: Part) -> str:
        """Return what is chosen."""
        known = audiences.all_audiences()
        return str(known[part.audience].describe(part.params)) if part.audience in known else part.audience


class AttachmentSerializer(RowSerializer[Attachment]):
    """A file that goes with each message."""

    class Meta:
        model = Attachment
        fields = ("id", "name", "content_type", "size")


class CampaignSummarySerializer(RowSerializer[Campaign]):
    """A campaign, without what is written in it."""

    id = serializers.UUIDField(source="uuid", read_only=True)
    key = serializers.IntegerField(source="pk", read_only=True, help_text="By which audiences know it.")
    scope_label = serializers.SerializerMethodField()
    state = serializers.ChoiceField(State.choices, read_only=True)
    author = serializers.SerializerMethodField(help_text="A user's name; empty: nobody is known.")
    recipients = serializers.SerializerMethodField(help_text="How many; null: nobody knows yet.", allow_null=True)

    class Meta:
        model = Campaign
        fields: Any = (
            *("id", "key", "version", "scope", "scope_label", "name", "category", "state", "code", "reason", "author"),
            *("recipients", "due_at", "created_at", "started_at", "finished_at"),
        )
        read_only_fields: Any = fields

    def get_scope_label(self, campaign: Campaign) -> str:
        """Return what people call its scope."""
        return str(host().label(campaign.scope))

    def get_author(self, campaign: Campaign) -> str:
        """Return who wrote it."""
        return "" if campaign.author is None else campaign.author.get_username()

    def get_recipients(self, campaign: Campaign) -> int | None:
        """Return how many it goes to."""
        found = campaign.resolution
        return None if found is None or found.done_at is None else found.numbers.get("", 0)


class CampaignSerializer(CampaignSummarySerializer):
    """A campaign: what is written in it, who it goes to, when, and how far it is."""

    channel_types = ChannelTypes(read_only=True)
    variants = VariantSerializer(many=True, read_only=True)
    parts = PartSerializer(many=True, read_only=True)
    attachments = AttachmentSerializer(many=True, read_only=True)
    origin = serializers.UUIDField(
        source="origin.uuid", read_only=True, allow_null=True, default=None, help_text="What it was copied from."
    )
    approved_by = serializers.SerializerMethodField(help_text="A user's name; empty: nobody.")
    actions = serializers.SerializerMethodField(help_text="What you may do to it.")

    class Meta(CampaignSummarySerializer.Meta):
        fields = (
            *CampaignSummarySerializer.Meta.fields,
            *(name for name in editing.FIELDS if name not in CampaignSummarySerializer.Meta.fields),
            *("variants", "parts", "attachments", "origin"),
            *("approved_version", "approved_by", "approved_at", "expanded", "canary_at", "is_canary_fine", "actions"),
        )
        read_only_fields = fields

    def get_approved_by(self, campaign: Campaign) -> str:
        """Return who approved it."""
        return "" if campaign.approved_by is None else campaign.approved_by.get_username()

    def get_actions(self, campaign: Campaign) -> list[Action]:
        """Return what the user may do to it."""
        return finding.actions(self.context["request"].user, campaign.scope, campaign)


class CampaignFieldsSerializer(RowSerializer[Campaign]):
    """What can be written."""

    channel_types = ChannelTypes(required=False)
    variants = VariantSerializer(many=True, required=False, help_text="They take the place of all there are.")
    parts = PartSerializer(many=True, required=False, help_text="They take the place of all there are.")

    class Meta:
        model = Campaign
        fields: Any = (*editing.FIELDS, "variants", "parts")
        extra_kwargs: ClassVar = {name: {"required": False} for name in editing.FIELDS}

    def to_internal_value(self, data: Any) -> Any:
        """Return what *data* says."""
        if isinstance(data, Mapping):
            refuse_unknown(data, self.fields)
        return super().to_internal_value(data)


class NewCampaignSerializer(CampaignFieldsSerializer):
    """A draft that is to be made."""

    scope = serializers.CharField(required=False, allow_blank=True, max_length=255, help_text="What it belongs to.")

    class Meta(CampaignFieldsSerializer.Meta):
        fields = ("scope", *CampaignFieldsSerializer.Meta.fields)


class ChangedCampaignSerializer(CampaignFieldsSerializer):
    """What changes in a campaign."""

    version = serializers.IntegerField(help_text="The one that you have seen.")

    class Meta(CampaignFieldsSerializer.Meta):
        fields = ("version", *CampaignFieldsSerializer.Meta.fields)


class SeenVersionSerializer(Input):
    """Which version of the campaign you have seen."""

    version = serializers.IntegerField(help_text="The one that you have seen.")


class ScheduleSerializer(SeenVersionSerializer):
    """That a draft is to start at its time."""

    accept = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Codes of the warnings that you have seen."
    )


class WhenSerializer(RowSerializer[Campaign]):
    """Another time."""

    version = serializers.IntegerField(help_text="The one that you have seen.")

    class Meta:
        model = Campaign
        fields = ("version", *editing.TIME_FIELDS)
        extra_kwargs: ClassVar = {name: {"required": False} for name in editing.TIME_FIELDS}

    def to_internal_value(self, data: Any) -> Any:
        """Return what *data* says."""
        if isinstance(data, Mapping):
            refuse_unknown(data, self.fields)
        return super().to_internal_value(data)


class WhySerializer(Input):
    """A sentence for people."""

    why = serializers.CharField(required=False, allow_blank=True, help_text="A sentence for people.")


class WhomSerializer(Input):
    """Who a follow-up goes to."""

    whom = serializers.ChoiceField(
        ["failed", "joined"],
        help_text="Those whom it could not be sent to, or those who belong to its audiences since.",
    )


class CancelledSerializer(serializers.Serializer[Any]):
    """What cancelling came to."""

    stopped = serializers.IntegerField(help_text="How many deliveries will not be handed over.")
    in_flight = serializers.IntegerField(help_text="How many are being handed over: they may arrive.")


class NewAttachmentSerializer(SeenVersionSerializer):
    """A file that is to be attached."""

    file = serializers.FileField(allow_empty_file=True)


class CampaignQuerySerializer(serializers.Serializer[Any]):
    """Which campaigns."""

    scope = serializers.CharField(required=False, allow_blank=True, help_text="Only those of this scope.")
    state = serializers.ChoiceField(State.choices, required=False, help_text="Only those in this state.")
    after = serializers.CharField(required=False, help_text="What the page before says comes next.")
    size = serializers.IntegerField(required=False, min_value=1, max_value=200, help_text="How many on a page.")


class CampaignPageSerializer(serializers.Serializer[Any]):
    """Some campaigns, the latest first."""

    campaigns = CampaignSummarySerializer(many=True)
    next = serializers.CharField(help_text="Ask for those that follow with this as `after`; empty: there are none.")


class ProgressSerializer(serializers.Serializer[Any]):
    """How far a campaign is."""

    is_resolving = serializers.BooleanField(help_text="Whether its recipients are still being found.")
    total = serializers.IntegerField(help_text="How many messages it has.")
    left = serializers.IntegerField(help_text="How many are not done with.")
    percent = serializers.FloatField(help_text="How much of it is done.")
    numbers = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many have come to what; they add up to the total."
    )
    reasons = serializers.DictField(
        child=serializers.IntegerField(), help_text="To how many people nothing is sent, by reason."
    )
    per_second = serializers.FloatField(allow_null=True, help_text="How many were done with each second lately.")
    seconds_left = serializers.FloatField(allow_null=True, help_text="How long it takes at that rate.")
