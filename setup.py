"""
Internal: how the distribution edx-ace is built; tool settings are in pyproject.toml.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def version() -> str:
    """Return ``__version__`` of the package without importing it: its dependencies are not installed yet."""
    text = (ROOT / "edx_ace" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if match is None:
        raise RuntimeError('edx_ace/__init__.py has no line of the form __version__ = "1.2.3"; add one.')
    return match[1]


# The view at which devices are registered is a REST view.
PUSH = ["django-push-notifications[FCM]>=3.2", "djangorestframework>=3.16"]

EXTRAS = {
    # Rust engines: templates about six times as fast as Django's, CSS inlining hundreds of times as fast as premailer.
    "fast": ["css-inline>=0.14", "django-rust-templates>=0.4; python_version >= '3.12'"],
    "anymail": ["django-anymail>=12"],
    "push": PUSH,
    # The name of this extra in edx-ace 1.x.
    "push_notifications": PUSH,
    "braze": ["requests>=2.31"],
    "sailthru": ["sailthru-client>=2.3.5"],
    # Reads the bounces in a mailbox.
    "bounces": ["flufl.bounce>=4"],
    # Sealed tokens in links: unsubscribe, preferences, clicks.
    "links": ["cryptography>=42"],
    # Sanitises what staff write; reads Markdown.
    "campaigns": ["nh3>=0.2.18", "markdown-it-py>=3"],
    # Templates of scheduled messages: a sandbox, Markdown, and what sanitises it.
    "automation": ["Jinja2>=3.1.6", "markdown-it-py>=3", "nh3>=0.2.18"],
    "ratelimit": ["redis>=5"],
    # The endpoints of campaigns and their OpenAPI schema.
    "api": ["djangorestframework>=3.16", "drf-spectacular>=0.29"],
}
EXTRAS["all"] = sorted({requirement for extra in EXTRAS.values() for requirement in extra})

setup(
    name="edx-ace",
    version=version(),
    description="Decide who should hear what, over which channel and when; render it, deliver it, show what happened.",
    long_description=(ROOT / "README.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/x-rst",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords="django email push notifications campaigns messaging edx",
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Framework :: Django",
        "Framework :: Django :: 5.2",
        "Framework :: Django :: 6.0",
        "Framework :: Django :: 6.1",
        "Intended Audience :: Developers",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Communications",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    packages=find_packages(include=["edx_ace", "edx_ace.*"]),
    # Relative to each package, so that a new sub-app ships its files without a line here.
    package_data={
        "": ["py.typed", "templates/**/*", "static/**/*", "locale/*/LC_MESSAGES/*.po", "locale/*/LC_MESSAGES/*.mo"],
    },
    include_package_data=False,
    install_requires=[
        "Django>=5.2",
        "attrs>=23.1",
        "celery>=5.4",
        # Internationalised domains by IDNA 2008; Python's own codec knows only IDNA 2003.
        "idna>=3.7",
        # Reads HTML for plain text; premailer brings it in any case.
        "lxml>=5",
        "premailer>=3.10",
        "python-dateutil>=2.9",
        "stevedore>=5",
    ],
    extras_require=EXTRAS,
    entry_points={
        "pytest11": ["edx_ace = edx_ace.testing.plugin"],
        "openedx.ace.channel": [
            "braze_email = edx_ace.channel.braze:BrazeEmailChannel",
            "django_email = edx_ace.channel.django_email:DjangoEmailChannel",
            "file_email = edx_ace.channel.file:FileEmailChannel",
            "push_notification = edx_ace.channel.push_notification:PushNotificationChannel",
            "sailthru_email = edx_ace.channel.sailthru:SailthruEmailChannel",
        ],
        "openedx.ace.policy": [
            "budget = edx_ace.tracking.policies:BudgetPolicy",
            "preference = edx_ace.preferences.policies:PreferencePolicy",
            "suppression = edx_ace.tracking.policies:SuppressionPolicy",
            "digest = edx_ace.preferences.digests:DigestPolicy",
            "frequency_cap = edx_ace.preferences.caps:FrequencyCapPolicy",
            "quiet_hours = edx_ace.preferences.policies:QuietHoursPolicy",
            "send_time = edx_ace.preferences.send_time:SendTimePolicy",
        ],
        "openedx.ace.content_step": [
            "absolute_urls = edx_ace.content.absolute_urls:absolute_urls",
            "inline_css = edx_ace.content.inline_css:inline_css",
            "keep_copy = edx_ace.tracking.copies:keep_copy",
            "plain_text = edx_ace.content.plain_text:plain_text",
            "track = edx_ace.tracking.links:track",
            "unsubscribe = edx_ace.preferences.unsubscribe:unsubscribe",
        ],
        "openedx.ace.send_time": [
            "reading_hours = edx_ace.tracking.hours:ReadingHours",
        ],
    },
)
