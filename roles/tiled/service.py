"""Tiled: serves the file store, and keeps masks and results in a store of its own."""

from tomobeam_deploy.service import Health, Service

KEYS = ("ingester", "webapp", "job", "client", "monitoring")

SERVICE = Service(
    name="tiled",
    summary="Tiled data service",
    argv=(
        "{bin}/tomobeam-exec",
        "--secret",
        "TILED_SECRET_KEY",
        "--secret",
        "TILED_ADMIN_PASSWORD",
        "--",
        "{bin}/tiled",
        "serve",
        "config",
        "{config}/tiled.yml",
    ),
    port="tiled",
    health=Health("/healthz"),
    packages=("tomobeam-tiled",),
    image="services/tiled",
    database_role="tiled",
    settings={
        "TOMOBEAM_TILED_AUTHN_URI": "{databases[tiled_authn]}",
        "TOMOBEAM_TILED_CATALOG_URI": "{databases[tiled_catalog]}",
    },
    secrets={
        "TILED_SECRET_KEY": "tiled-secret-key",
        "TILED_ADMIN_PASSWORD": "tiled-admin",
        **{f"TOMOBEAM_TILED_KEY_{name.upper()}": f"tiled-key-{name}" for name in KEYS},
    },
    files={"tiled/etc/tomobeam/tiled.yml.j2": "tiled.yml"},
    reads_store=True,
    writes=("{state}", "{site.data.writable}"),
    schema=("tomobeam-tiled", "schema", "--known"),
    migrate=("{bin}/tomobeam-tiled", "migrate"),
    prepare=("{bin}/tomobeam-tiled", "prepare"),
    provision=("{bin}/tomobeam-tiled", "provision"),
    provision_settings={"TOMOBEAM_TILED_URL": "{site.tiled_url}"},
    provision_secrets={"TOMOBEAM_TILED_API_KEY": "tiled-key-ingester"},
    memory_mib=4096,
    # numba, which Tiled imports, compiles what it runs.
    writes_code=True,
)
