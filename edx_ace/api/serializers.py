"""
Internal: the shapes of what endpoints take and give: only which fields there are, and of which types.

What is right is for the functions of campaigns to say, with all problems at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers

from edx_ace.api.parameters import schema_of
from edx_ace.api.problems import ProblemSerializer
from edx_ace.api.shapes import Input, LabelledSerializer, Moment, RowSerializer, refuse_unknown
from edx_ace.campaigns import editing, finding
from edx_ace.campaigns.audiences import Audience
from edx_ace.campaigns.host import Action, Scope, host
from edx_ace.campaigns.models import AddressList, Attachment, Campaign, Entry, Part, TemplateVersion, Variant
from edx_ace.campaigns.states import State
from edx_ace.channel.base import ALL_TYPES

CHANNEL_TYPES = [str(one) for one in ALL_TYPES]


class ChannelTypes(serializers.ListField):
    """Channel types, which a campaign has as one text."""

    child = serializers.ChoiceField(CHANNEL_TYPES)

    def to_representation(self, data: Any) -> list[Any]:
        """Return them as a list."""
        return [one for one in data.split(",") if one] if isinstance(data, str) else super().to_representation(data)


class VariantContentSerializer(RowSerializer[Variant]):
    """What is written for one channel type in one language, as a template keeps it."""

    class Meta:
        model = Variant
        fields = editing.VARIANT_FIELDS
        read_only_fields = fields


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
    description = serializers.CharField(read_only=True, help_text="What is chosen, for people.")

    class Meta:
        model = Part
        fields = (*editing.PART_FIELDS, "description")

    def to_internal_value(self, data: Any) -> Any:
        """Return what *data* says."""
        if isinstance(data, Mapping):
            data = {name: value for name, value in data.items() if name != "description"}
            refuse_unknown(data, self.fields)
        return super().to_internal_value(data)


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
    attachments = AttachmentSerializer(source="files", many=True, read_only=True)
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


class RecipientQuerySerializer(serializers.Serializer[Any]):
    """Which recipients."""

    search = serializers.CharField(required=False, allow_blank=True, help_text="Only who has this address, or is this.")
    state = serializers.CharField(required=False, allow_blank=True, help_text="Only those with this outcome.")


class RecipientPageQuerySerializer(RecipientQuerySerializer):
    """Which recipients, a page at a time."""

    after = serializers.CharField(required=False, help_text="What the page before says comes next.")
    size = serializers.IntegerField(required=False, min_value=1, max_value=500, help_text="How many on a page.")


class OutcomeSerializer(serializers.Serializer[Any]):
    """What became of one recipient over one channel."""

    person = serializers.CharField(help_text="Who it is; empty: nobody with an account.")
    address = serializers.CharField()
    channel_type = serializers.CharField(help_text="Over which; empty: none, or nobody knows yet.")
    state = serializers.CharField(help_text="As in the figures of the progress.")
    code = serializers.CharField(help_text="Why: short and stable.")
    reason = serializers.CharField(help_text="Why: a sentence for people.")
    at = Moment(allow_null=True, help_text="When it came to that.")
    attempts = serializers.IntegerField(help_text="How often it was tried.")


class RecipientPageSerializer(serializers.Serializer[Any]):
    """Some recipients."""

    outcomes = OutcomeSerializer(many=True)
    next = serializers.CharField(help_text="Ask for those that follow with this as `after`; empty: there are none.")


class DaySerializer(serializers.Serializer[Any]):
    """What happened on one day, in UTC."""

    day = serializers.DateField()
    numbers = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many messages were sent, opened, clicked and so on."
    )


class EntrySerializer(RowSerializer[Entry]):
    """One line of the audit trail."""

    who = serializers.CharField(read_only=True, help_text="A user's name; empty: it happened by itself.")

    class Meta:
        model = Entry
        fields = ("at", "who", "action", "from_state", "to_state", "why")
        read_only_fields = fields


class PreflightSerializer(serializers.Serializer[Any]):
    """What there is to know before a campaign is scheduled."""

    problems = ProblemSerializer(many=True, help_text="Errors have to be mended, others accepted.")
    numbers = serializers.DictField(
        child=serializers.IntegerField(),
        allow_null=True,
        help_text="How many recipients for each reason why they get nothing, as forecast; null: there is none.",
    )


class ForecastSerializer(serializers.Serializer[Any]):
    """Who would get a campaign, and who would not and why."""

    version = serializers.IntegerField(help_text="Of the campaign that it is about.")
    share = serializers.FloatField(help_text="How much of it is made, from 0 to 1: then there are numbers.")
    at = Moment(allow_null=True, help_text="When it was made; null: it is being made.")
    numbers = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="How many people for each reason why nothing goes to them; without a reason, to how many it goes.",
    )
    channels = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()), help_text="The same over each channel type."
    )


class PeopleQuerySerializer(serializers.Serializer[Any]):
    """Which people."""

    search = serializers.CharField(required=False, allow_blank=True, help_text="What the audiences look for.")
    start = serializers.IntegerField(required=False, min_value=0, help_text="How many to leave out before.")
    limit = serializers.IntegerField(required=False, min_value=1, max_value=100, help_text="How many.")


class SeenSerializer(serializers.Serializer[Any]):
    """Somebody for whom a campaign can be previewed."""

    reference = serializers.CharField(help_text="By which a preview knows them.")
    address = serializers.CharField(source="person.recipient.email_address", allow_null=True)
    language = serializers.CharField(source="person.language", allow_null=True)
    zone = serializers.CharField(source="person.zone", allow_null=True)
    values = serializers.DictField(
        source="person.values", child=serializers.CharField(), help_text="What keywords stand for with them."
    )


class LookSerializer(Input):
    """For whom and how a campaign is looked at."""

    reference = serializers.CharField(
        required=False, allow_blank=True, help_text="Of one of its people; empty: nobody."
    )
    language = serializers.CharField(required=False, help_text="In place of the person's own.")
    channel_type = serializers.ChoiceField(CHANNEL_TYPES, required=False)


class TestSerializer(LookSerializer):
    """A test that is to be sent."""

    address = serializers.CharField(
        required=False, allow_blank=True, help_text="Your own, or one of the site's for tests; empty: your own."
    )


class PreviewSerializer(serializers.Serializer[Any]):
    """What somebody gets over one channel type."""

    language = serializers.CharField(help_text="Of the variant that is theirs.")
    subject = serializers.CharField(help_text="Of an email; of other channel types, the title.")
    text = serializers.CharField(help_text="The text part; of other channel types, all there is.")
    html = serializers.CharField(help_text="Show it in a frame without scripts (sandbox); empty where there is none.")
    sender = serializers.CharField()
    to = serializers.CharField()


class ScopeQuerySerializer(serializers.Serializer[Any]):
    """Of which scope."""

    scope = serializers.CharField(required=False, allow_blank=True, default="", help_text="Its key; empty: of none.")


class ScopeSerializer(LabelledSerializer):
    """What campaigns may belong to."""

    key = serializers.CharField()
    actions = serializers.SerializerMethodField(help_text="What you may do there.")

    def get_actions(self, scope: Scope) -> list[Action]:
        """Return what the user may do there."""
        return finding.actions(self.context["request"].user, scope.key)


class AudienceSerializer(LabelledSerializer):
    """One way to choose recipients."""

    name = serializers.CharField()
    params = serializers.SerializerMethodField(help_text="JSON Schema of its parameters.")

    def get_params(self, audience: Audience) -> dict[str, Any]:
        """Return the schema of its parameters."""
        request = self.context["request"]
        return schema_of(audience.form(request.query_params.get("scope", ""), request.user))


class KeywordSerializer(LabelledSerializer):
    """A word in double braces."""

    name = serializers.CharField()
    sample = serializers.CharField(help_text="What it may look like.")


class DateSerializer(LabelledSerializer):
    """A date of a scope that a campaign can go by."""

    name = serializers.CharField(help_text="As `anchor` of a campaign.")
    at = Moment()


class CategorySerializer(LabelledSerializer):
    """What a campaign can be about."""

    name = serializers.CharField()
    description = serializers.CharField()


class TemplateNameSerializer(Input):
    """What a template is called."""

    name = serializers.CharField(allow_blank=True)


class TemplateSerializer(RowSerializer[TemplateVersion]):
    """One version of a saved template."""

    name = serializers.CharField(source="template.name", read_only=True)
    scope = serializers.CharField(source="template.scope", read_only=True)
    variants = VariantContentSerializer(source="content", many=True, read_only=True)

    class Meta:
        model = TemplateVersion
        fields = ("id", "name", "scope", "number", "variants", "created_at")
        read_only_fields = fields


class AddressFileSerializer(Input):
    """A CSV file of addresses."""

    name = serializers.CharField(allow_blank=True, help_text="What people call the list.")
    scope = serializers.CharField(required=False, allow_blank=True, help_text="What it belongs to.")
    file = serializers.FileField(allow_empty_file=True, help_text="UTF-8; its first line names the columns.")


class AddressListSerializer(RowSerializer[AddressList]):
    """A list of addresses that somebody brought."""

    class Meta:
        model = AddressList
        fields = ("id", "name", "scope", "created_at")
        read_only_fields = fields


class ImportedSerializer(serializers.Serializer[Any]):
    """What came of a file."""

    addresses = AddressListSerializer()
    number = serializers.IntegerField(help_text="How many addresses are on the list.")
    duplicates = ProblemSerializer(many=True, help_text="Lines whose address came before.")
