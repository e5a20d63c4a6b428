#!/bin/sh
# Makes the role that the processes connect as; `nerava migrate --role` gives it its rights, table by table.
set -eu
psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set password="$APP_PASSWORD" <<'SQL'
CREATE ROLE nerava_app LOGIN PASSWORD :'password';
SQL
