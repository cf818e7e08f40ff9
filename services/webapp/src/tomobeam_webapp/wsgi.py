"""What gunicorn serves: `gunicorn … tomobeam_webapp.wsgi:server`."""

from __future__ import annotations

from tomobeam_common import logs
from tomobeam_common.settings import SettingsError, fail
from tomobeam_webapp.app import create_app, watch_of
from tomobeam_webapp.settings import WebSettings

try:
    _settings = WebSettings.load()
except SettingsError as error:
    fail(str(error))
logs.configure("webapp", _settings.log_level, _settings.log_format)
try:
    _app = create_app(_settings)
except OSError as error:
    fail(f"TOMOBEAM_WEBAPP_STATE: {error}")
server = _app.server
watch_of(_app).start()
