"""
Internal: the shapes of what automation's endpoints take and give: only which fields there are, and of which types.

What is right is for the functions of automation to say.
"""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from edx_ace.api.problems import ProblemSerializer, described
from edx_ace.api.shapes import Input, LabelledSerializer, Moment, RowSerializer
from edx_ace.automation import actions, examining
from edx_ace.automation.access import PERMISSIONS, may
from edx_ace.automation.errors import Problem
from edx_ace.automation.models import Attachment, Entry, ScheduledMessage, TemplateVersion
from edx_ace.automation.states import State
from edx_ace.automation.strategy import StrategyEnum
from edx_ace.automation.workers import Job

_SEEN = "The one that you have seen."
_REFERENCES = "Typed references: plain values, and objects as `model` and `pk`."


class TextSerializer(Input):
    """What is written in one language."""

    subject = serializers.CharField(allow_blank=True, trim_whitespace=False, help_text="Jinja2.")
    body = serializers.CharField(allow_blank=True, trim_whitespace=False, help_text="Markdown with Jinja2.")


class ContentSerializer(Input):
    """What is written, in all languages."""

    variants = serializers.DictField(child=TextSerializer(), help_text="By language.")
    from_address = serializers.CharField(required=False, allow_blank=True, help_text="A mailbox; empty: the site's.")
    reply_to = serializers.ListField(child=serializers.CharField(), required=False, help_text="Mailboxes.")
    cc = serializers.ListField(child=serializers.CharField(), required=False, help_text="Mailboxes.")
    bcc = serializers.ListField(child=serializers.CharField(), required=False, help_text="Mailboxes.")
    fallback = serializers.CharField(
        required=False, allow_blank=True, help_text="Whose variant those get for whose language there is none."
    )


class ActionSerializer(LabelledSerializer):
    """One kind of message."""

    name = serializers.CharField(source="signal")
    description = serializers.CharField(help_text="When it writes to whom.")
    is_to_all = serializers.BooleanField(source="to_all", help_text="Whether all recipients stand in one message.")
    is_external = serializers.BooleanField(source="external", help_text="Whether workers outside send it.")


class ActionQuerySerializer(serializers.Serializer[Any]):
    """Which action, and because of what."""

    action = serializers.CharField(help_text="Its name.")
    object = serializers.CharField(help_text="Primary key of one of its objects.")


class MessageQuerySerializer(serializers.Serializer[Any]):
    """Which messages."""

    states = serializers.ListField(
        child=serializers.ChoiceField(State.choices), required=False, help_text="Only those in one of these states."
    )
    action = serializers.CharField(required=False, help_text="Only those of this action.")
    object_type = serializers.CharField(required=False, help_text="With `object_key`: only those about this object.")
    object_key = serializers.CharField(required=False, help_text="Its primary key.")
    person = serializers.CharField(required=False, help_text="Only those to this user (an id) or mailbox.")
    search = serializers.CharField(
        required=False, help_text="A part of a subject, of an address, of why it failed; or an object's key."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the filters as `edx_ace.automation.finding.messages` takes them."""
        place = attrs.pop("object_type", ""), attrs.pop("object_key", "")
        if any(place):
            if not all(place):
                raise serializers.ValidationError("Give object_type and object_key together.", "incomplete_object")
            attrs["about"] = place
        return attrs


class MessagePageQuerySerializer(MessageQuerySerializer):
    """Which messages, a page at a time."""

    since = Moment(required=False, help_text="Only those scheduled for this moment or later.")
    until = Moment(required=False, help_text="Only those scheduled for before this moment.")
    latest_first = serializers.BooleanField(required=False, help_text="The other way round.")
    after = serializers.CharField(required=False, help_text="What the page before says comes next.")
    size = serializers.IntegerField(required=False, min_value=1, max_value=200, help_text="How many on a page.")


class CalendarQuerySerializer(MessageQuerySerializer):
    """Which messages, on which days."""

    first = serializers.DateField(help_text="The first day.")
    last = serializers.DateField(help_text="The last day, at most a year later.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the days and the filters."""
        if not 0 <= (attrs["last"] - attrs["first"]).days <= 366:
            raise serializers.ValidationError({"last": ["Give a day of the year that begins with the first."]})
        return super().validate(attrs)


class NumberSerializer(serializers.Serializer[Any]):
    """How many messages there are of one kind on one day."""

    action = serializers.CharField()
    state = serializers.ChoiceField(State.choices)
    number = serializers.IntegerField()


class DaySerializer(serializers.Serializer[Any]):
    """What goes out, or went, on one day, in the site's time zone."""

    day = serializers.DateField()
    number = serializers.IntegerField(help_text="How many messages in all.")
    numbers = NumberSerializer(many=True)


class AttachmentSerializer(RowSerializer[Attachment]):
    """A file that goes with a message."""

    url = serializers.SerializerMethodField(help_text="Where it is.")

    class Meta:
        model = Attachment
        fields = ("id", "name", "content_type", "size", "url")
        read_only_fields = fields

    def get_url(self, attachment: Attachment) -> str:
        """Return where it is: for whoever locked the message, there with the number by which they have it."""
        job: Job | None = self.context.get("job")
        message = self.context["message"]
        name = "attachment" if job is None else "work_attachment"
        request = self.context["request"]
        path = reverse(
            f"{_namespace(request)}{name}", kwargs={"id": message.uuid, "key": attachment.pk}, request=request
        )
        return path if job is None else f"{path}?fence={job.fence}"


class MessageSummarySerializer(RowSerializer[ScheduledMessage]):
    """A scheduled message, without what it says and to whom."""

    id = serializers.UUIDField(source="uuid", read_only=True)
    version = serializers.IntegerField(source="fence", read_only=True, help_text="Another with each change.")
    action_label = serializers.SerializerMethodField(help_text="What people call its action.")
    state = serializers.ChoiceField(State.choices, read_only=True)
    about = serializers.SerializerMethodField(help_text="How what it is about reads now; empty: it is about nothing.")
    edited = serializers.ListField(child=serializers.CharField(), help_text="What was changed by hand.")

    class Meta:
        model = ScheduledMessage
        fields: Any = (
            *(
                "id",
                "version",
                "action",
                "action_label",
                "state",
                "scheduled_at",
                "due_at",
                "object_type",
                "object_key",
            ),
            *("about", "occurrence", "is_to_all", "is_external", "edited", "failures", "code", "reason"),
            *("created_at", "enqueued_at", "ended_at"),
        )
        read_only_fields: Any = fields

    def get_action_label(self, message: ScheduledMessage) -> str:
        """Return the label of its action, or its name where there is none any more."""
        found = actions.all_actions().get(message.action)
        return message.action if found is None else str(found)

    def get_about(self, message: ScheduledMessage) -> str:
        """Return how what it is about reads."""
        known = self.context["about"] if "about" in self.context else examining.shown_objects([message])
        return known[message.pk].text if message.pk in known else ""


class MessagePageSerializer(serializers.Serializer[Any]):
    """Some messages, in the order of their time."""

    messages = MessageSummarySerializer(many=True)
    next = serializers.CharField(help_text="Ask for those that follow with this as `after`; empty: there are none.")


class MessageSerializer(MessageSummarySerializer):
    """A scheduled message: what it refers to, what is written, and its files."""

    recipients = serializers.ListField(read_only=True, help_text=_REFERENCES)
    content = serializers.SerializerMethodField(help_text="null: a message type of the site says it.")
    template_version = serializers.IntegerField(
        source="template_version.number", read_only=True, allow_null=True, default=None
    )
    attachments = serializers.SerializerMethodField()
    permissions = serializers.SerializerMethodField(help_text="What you may do.")

    class Meta(MessageSummarySerializer.Meta):
        fields = (
            *MessageSummarySerializer.Meta.fields,
            *("context", "recipients", "content", "message_type", "template_version", "attachments", "permissions"),
        )
        read_only_fields = fields
        extra_kwargs: ClassVar = {"context": {"help_text": f"The values of the template by name. {_REFERENCES}"}}

    @extend_schema_field(ContentSerializer(allow_null=True))
    def get_content(self, message: ScheduledMessage) -> Any:
        """Return what is written."""
        return message.content or None

    @extend_schema_field(AttachmentSerializer(many=True))
    def get_attachments(self, message: ScheduledMessage) -> Any:
        """Return its files."""
        return _files(self, message)

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(list(PERMISSIONS))))
    def get_permissions(self, message: ScheduledMessage) -> list[str]:
        """Return the permissions that the user has."""
        return [name for name in PERMISSIONS if may(self.context["request"].user, name)]


class ChangedMessageSerializer(Input):
    """What somebody changes by hand; updates keep it."""

    version = serializers.IntegerField(help_text=_SEEN)
    content = ContentSerializer(required=False)
    recipients = serializers.ListField(
        child=serializers.JSONField(),
        required=False,
        help_text="Mailboxes, and references that the message has. They take the place of all there are.",
    )
    scheduled_at = Moment(required=False)


class WhenSerializer(Input):
    """Another time."""

    scheduled_at = Moment()
    why = serializers.CharField(required=False, allow_blank=True, help_text="A sentence for people.")


class ManySerializer(Input):
    """Which messages."""

    ids = serializers.ListField(
        child=serializers.UUIDField(), max_length=200, help_text="Up to 200; those that are not there are left out."
    )


class ManyWhySerializer(ManySerializer):
    """Which messages, and why."""

    why = serializers.CharField(required=False, allow_blank=True, help_text="A sentence for people.")


class ManyWhenSerializer(ManyWhySerializer):
    """Which messages, and another time."""

    scheduled_at = Moment()


class StepSerializer(serializers.Serializer[Any]):
    """What was done with one of many."""

    id = serializers.UUIDField(source="message.uuid")
    error = serializers.CharField(help_text="Why nothing was done with it; empty: it was done.")


class NewAttachmentSerializer(Input):
    """A file that is to be attached."""

    file = serializers.FileField(allow_empty_file=True)


class LetterQuerySerializer(serializers.Serializer[Any]):
    """Which letters."""

    start = serializers.IntegerField(required=False, min_value=0, default=0, help_text="How many to leave out before.")
    size = serializers.IntegerField(required=False, min_value=1, max_value=100, default=20, help_text="How many.")


class LetterDeliverySerializer(serializers.Serializer[Any]):
    """What came of a letter over one channel type."""

    channel_type = serializers.CharField()
    state = serializers.CharField(help_text="Of a delivery in the outbox.")
    code = serializers.CharField(help_text="Why: short and stable.")
    reason = serializers.CharField(help_text="Why: a sentence for people.")
    finished_at = Moment(allow_null=True)


class RenderedSerializer(serializers.Serializer[Any]):
    """A letter as it would be sent now, or why it would not."""

    to = serializers.CharField(help_text="The mailbox; empty: nobody knows.")
    cc = serializers.ListField(child=serializers.CharField())
    bcc = serializers.ListField(child=serializers.CharField())
    reply_to = serializers.ListField(child=serializers.CharField())
    sender = serializers.CharField(help_text="A mailbox; empty: the site's.")
    language = serializers.CharField(help_text="Empty: the site's.")
    subject = serializers.CharField()
    html = serializers.CharField(help_text="Show it in a frame without scripts (sandbox).")
    text = serializers.CharField()
    error = serializers.CharField(help_text="Why it could not be sent; empty: it could.")


class LetterSerializer(RenderedSerializer):
    """A letter as it was sent, or would be now; before content steps."""

    deliveries = LetterDeliverySerializer(many=True, help_text="What came of it; none while it has not gone.")


class LetterPageSerializer(serializers.Serializer[Any]):
    """Some letters of a message."""

    is_sent = serializers.BooleanField(help_text="Whether this is what went; otherwise it is what would go now.")
    letters = LetterSerializer(many=True)


class EntrySerializer(RowSerializer[Entry]):
    """One line of the log."""

    who = serializers.CharField(read_only=True, help_text="A user's name; empty: it happened by itself.")

    class Meta:
        model = Entry
        fields = ("at", "who", "did", "from_state", "to_state", "why")
        read_only_fields = fields


class ObjectQuerySerializer(serializers.Serializer[Any]):
    """Which objects."""

    search = serializers.CharField(required=False, help_text="A primary key, or a part of one of their texts.")


class ObjectSerializer(LabelledSerializer):
    """An object because of which there may be a message."""

    key = serializers.CharField(help_text="Its primary key.")


class SimulationSerializer(serializers.Serializer[Any]):
    """What an action would do, and why; nothing was done."""

    strategy = serializers.ChoiceField(
        list(StrategyEnum), source="decision.strategy", allow_null=True, default=None, help_text="null: see the error."
    )
    code = serializers.CharField(source="decision.code", default="", help_text="Why: short and stable.")
    reason = serializers.CharField(source="decision.reason", default="", help_text="Why: a sentence for people.")
    message = serializers.UUIDField(
        source="decision.message.uuid", allow_null=True, default=None, help_text="The one that there is."
    )
    scheduled_at = Moment(allow_null=True, help_text="When it would go; null: there would be none.")
    preview = RenderedSerializer(allow_null=True, help_text="What its first recipient would get.")
    error = serializers.CharField(help_text="What the action's methods raised; empty: nothing.")


class TemplateVersionSerializer(RowSerializer[TemplateVersion]):
    """One version of what an action's messages say."""

    content = ContentSerializer(read_only=True)
    who = serializers.CharField(read_only=True, help_text="A user's name; empty: it came with the action.")

    class Meta:
        model = TemplateVersion
        fields = ("number", "content", "is_shipped", "who", "created_at")
        read_only_fields = fields


class TemplateSummarySerializer(serializers.Serializer[Any]):
    """How the template of an action stands."""

    action = ActionSerializer()
    version = serializers.IntegerField(help_text="Number of the newest version; 0: there is none.")
    message_type = serializers.CharField(help_text="Dotted path of what says it in its place; empty: the template.")
    is_active = serializers.BooleanField(help_text="Whether messages are scheduled by it.")
    is_switched_on = serializers.BooleanField(help_text="Whether the action's own switch is on.")
    is_on = serializers.BooleanField(help_text="Whether messages are scheduled: all of these, and the switch of all.")


class TemplateSerializer(TemplateSummarySerializer):
    """What the messages of an action say."""

    content = ContentSerializer(allow_null=True, help_text="Of the newest version.")
    variables = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="What it can use, by name, and what can be read of that, as far as anybody knows.",
    )


class SavedTemplateSerializer(Input):
    """What the messages of an action say from now on."""

    version = serializers.IntegerField(help_text="The number of the one that you have seen; 0: there was none.")
    content = ContentSerializer()


class TriedTemplateSerializer(Input):
    """What the messages of an action would say."""

    content = ContentSerializer()
    object = serializers.CharField(required=False, help_text="Primary key of one of its objects; by default any.")


class PreviewedTemplateSerializer(Input):
    """What the messages of an action would say, and because of what."""

    content = ContentSerializer()
    object = serializers.CharField(help_text="Primary key of one of its objects.")
    language = serializers.CharField(required=False, help_text="In place of the recipient's own.")


class ProblemsSerializer(serializers.Serializer[Any]):
    """What is wrong with what was written; nothing was saved."""

    problems = serializers.SerializerMethodField(help_text="Each with its field, such as `en.body`, and its line.")

    @extend_schema_field(ProblemSerializer(many=True))
    def get_problems(self, problems: list[Problem]) -> Any:
        """Return each."""
        return [described(one) for one in problems]


class NumberOfVersionSerializer(Input):
    """Which version."""

    number = serializers.IntegerField(min_value=1)


class ActiveSerializer(Input):
    """Whether messages are scheduled by a template."""

    is_active = serializers.BooleanField()


class SwitchSerializer(Input):
    """Whether messages are scheduled."""

    is_on = serializers.BooleanField()


class DueQuerySerializer(serializers.Serializer[Any]):
    """How many messages."""

    size = serializers.IntegerField(required=False, min_value=1, max_value=200, default=50)


class FenceSerializer(Input):
    """By which number you have the message."""

    fence = serializers.IntegerField(help_text="What locking it gave.")


class FencedWhySerializer(FenceSerializer):
    """By which number you have the message, and why it is not to go."""

    why = serializers.CharField(required=False, allow_blank=True, default="", help_text="A sentence, of any length.")


class FailureSerializer(FenceSerializer):
    """Why a message could not be sent."""

    code = serializers.CharField(max_length=64, help_text="Short and stable.")
    reason = serializers.CharField(help_text="A sentence, of any length.")


class ReaderSerializer(serializers.Serializer[Any]):
    """Somebody that a message goes to."""

    address = serializers.CharField(help_text="A mailbox.")
    person = serializers.CharField(help_text="The site's id of them; empty: they have no account.")
    language = serializers.CharField(help_text="That they read; empty: the site's.")
    value = serializers.JSONField(help_text="What the template knows as `recipient`.")


class JobSerializer(serializers.Serializer[Any]):
    """A message that you have now, with all that it needs."""

    message = MessageSummarySerializer()
    fence = serializers.IntegerField(help_text="Say it with what came of the message.")
    locked_until = Moment(source="message.lease_until", help_text="Then another worker may have it.")
    recipients = ReaderSerializer(many=True)
    unreachable = serializers.ListField(
        child=serializers.CharField(), help_text="Why it does not go to others that it was meant for."
    )
    content = serializers.SerializerMethodField(help_text="null: ask for the letters.")
    attachments = serializers.SerializerMethodField()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields; as a class attribute the context would hide the serializer's own."""
        about = (
            "The values of the template by name, as they are now. Objects have their fields by name, and how they read"
        )
        return {**super().get_fields(), "context": serializers.DictField(help_text=f"{about} as `__str__`.")}

    @extend_schema_field(ContentSerializer(allow_null=True))
    def get_content(self, job: Job) -> Any:
        """Return what is written."""
        return job.message.content or None

    @extend_schema_field(AttachmentSerializer(many=True))
    def get_attachments(self, job: Job) -> Any:
        """Return the files, with where they are for whoever locked the message."""
        return _files(self, job.message, job=job)


def _files(serializer: Any, message: ScheduledMessage, **context: Any) -> Any:
    context = {**serializer.context, "message": message, **context}
    return AttachmentSerializer(message.attachments.order_by("pk"), many=True, context=context).data


def _namespace(request: Any) -> str:
    """Return that in which the site has included the endpoints, with a colon."""
    found = request.resolver_match.namespace
    return f"{found}:" if found else ""
