"""Runs on the database's host as root: who may do what there.

Argument: JSON {"user": superuser}. Prints JSON {"roles", "databases", "connect", "settings",
"access"}. Only reads.
"""

import json
import subprocess
import sys

QUERIES = {
    "roles": """select rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication,
        rolbypassrls, rolconnlimit from pg_roles where rolname !~ '^pg_'""",
    "databases": "select datname, pg_get_userbyid(datdba) as owner from pg_database "
    "where not datistemplate",
    "connect": """select rolname as role, datname as database,
        has_database_privilege(r.oid, d.oid, 'connect') as connect,
        has_database_privilege(r.oid, d.oid, 'create') as create,
        has_database_privilege(r.oid, d.oid, 'temporary') as temporary
        from pg_roles r, pg_database d where rolcanlogin and not rolsuper""",
    "settings": "select name, setting from pg_settings where name in "
    "('ssl', 'password_encryption', 'ssl_min_protocol_version', 'data_checksums')",
    "access": "select type, database, user_name, address, netmask, auth_method, error "
    "from pg_hba_file_rules",
}


def main() -> None:
    user = json.loads(sys.argv[1])["user"]
    rows = "(select coalesce(json_agg(t), '[]') from ({}) t)"
    parts = [f"'{name}', {rows.format(query)}" for name, query in QUERIES.items()]
    sql = f"select json_build_object({', '.join(parts)})"
    command = ["runuser", "-u", user, "--", "psql", "--no-psqlrc", "--tuples-only", "--no-align"]
    done = subprocess.run(
        [*command, "--set=ON_ERROR_STOP=1", "--file=-", "postgres"],
        input=sql,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    if done.returncode:
        sys.exit(done.stderr)
    print(done.stdout)


if __name__ == "__main__":
    main()
