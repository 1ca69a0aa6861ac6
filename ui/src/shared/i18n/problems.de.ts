import type { Problems } from "./messages";

const MISUNDERSTOOD = "Seite und Dienst verstehen einander nicht. Laden Sie die Seite neu.";
const DAMAGED =
  "Der Dienst ist nicht vollständig eingerichtet; wer ihn betreibt, sieht im Protokoll mehr: {said}";
const NODE = "Die Maschine konnte den Schritt nicht ausführen: {said}";

/** Every error of the service by its code, in German; `{said}` is the service's own sentence, where it says more. */
export const problems: Problems = {
  // Of the page itself
  beyond_machine:
    "So viel hat die Maschine nicht mehr: Verlangen Sie weniger, oder halten Sie einen Workspace an.",
  boost_not_larger:
    "Ein Schub macht einen Workspace größer, als gewählt ist: Geben Sie mehr Kerne oder Speicher an.",
  no_advice: "Es wird nichts empfohlen: Die Größe passt, oder es ist noch zu früh.",
  offline: "Der Dienst antwortet nicht.",

  // Of the audit log
  audit_damaged: "Das Prüfprotokoll ist beschädigt; nichts geschieht, was es nicht festhält. {said}",
  audit_broken: "Das Prüfprotokoll ist nicht mehr, was es war: {said}",
  audit_rolled_back: "Das Prüfprotokoll ist ein anderes, als der Zeuge gesehen hat: {said}",
  audit_entry_not_found: "Diesen Eintrag gibt es nicht, oder seine Zeit ist um.",
  audit_size_unknown: "So viele Einträge hat das Protokoll nicht.",
  checkpoint_invalid: "Das ist kein gültiger Prüfpunkt dieses Protokolls.",
  copy_unreadable: "Die Datei lässt sich nicht als Datenbank dieser Version lesen.",
  witness_unreachable: "Der Zeuge des Protokolls nimmt keine Prüfpunkte an: {said}",

  // By kind
  invalid_input: "Diese Angaben gehen so nicht: {said}",
  unauthenticated: "Sie sind abgemeldet. Melden Sie sich wieder an.",
  forbidden: "Dafür haben Sie keine Berechtigung.",
  not_found: "Das gibt es nicht (mehr).",
  conflict: "Das geht im jetzigen Zustand nicht: {said}",
  limit_exceeded: "Die Grenze ist erreicht: {said}",
  insufficient_resources: "Die Maschine hat dafür nicht genug frei: {said}",
  traces_missing: "Für Traces fehlen Bibliotheken: {said}",
  stopping: "Der Dienst wird gerade angehalten.",
  not_serving: "Der Dienst kann gerade nicht arbeiten: {said}",
  unavailable: "Ein Teil des Dienstes antwortet gerade nicht. Versuchen Sie es gleich noch einmal.",
  build_failed: "Die Umgebung ließ sich nicht bauen: {said}",
  runtime_failed: NODE,
  internal: "Unerwarteter Fehler im Dienst; sein Protokoll sagt mehr.",

  // SSH
  invalid_public_key:
    "Das ist kein brauchbarer öffentlicher Schlüssel: eine Zeile ohne Optionen, wie in einer Datei, die auf .pub endet.",
  too_many_keys: "Mehr SSH-Schlüssel gehen nicht; entfernen Sie einen.",
  ssh_key_not_found: "Diesen SSH-Schlüssel gibt es nicht (mehr).",
  key_not_certified: "Schlüssel auf Hardware werden nicht beglaubigt; fügen Sie den Schlüssel selbst hinzu.",
  keys_refused: NODE,

  // Sharing
  link_invalid: "Dieser Link gilt nicht (mehr): er ist abgelaufen oder wurde zurückgenommen.",
  not_shared: "Dieser Workspace wurde nicht Ihnen persönlich freigegeben.",
  owner_already: "Dieser Workspace gehört Ihnen schon.",
  recipient_not_found: "Diese Person oder Gruppe gibt es nicht.",
  recipient_quota: "Ein Kontingent der neuen Person lässt diesen Workspace nicht zu.",
  share_not_found: "Diese Freigabe gibt es nicht (mehr).",
  transfer_not_found:
    "Dieses Angebot gibt es nicht (mehr): es ist beantwortet, zurückgenommen oder abgelaufen.",
  too_many_shares: "Mehr Freigaben gehen nicht; beenden Sie einige.",
  too_many_guests: "Dieser Workspace hat schon so viele Gäste, wie gehen; versuchen Sie es später.",
  // Recordings, and several people at a terminal
  recording_not_found: "Diese Aufnahme gibt es nicht (mehr).",
  recording_unreadable: "Die Aufnahme ist beschädigt.",
  recording_policy: "Ob aufgenommen wird und wie lange Aufnahmen bleiben, bestimmt hier der Dienst.",
  recording_runs: "Die Aufnahme läuft noch; beenden Sie zuerst das Terminal.",
  sent_away: "Wer dieses Terminal leitet, hat Sie hinausgeschickt.",
  keyboard_elsewhere: "Gerade tippt hier jemand anders; bitten Sie um die Tastatur.",
  moderator_absent: "Hier tippt niemand, solange niemand das Terminal leitet.",
  not_moderator: "Das darf nur, wer das Terminal leitet oder die Tastatur hat.",
  participant_not_found: "Diese Person ist nicht mehr am Terminal.",
  mode_forbidden: "So viel dürfen Sie an diesem Terminal nicht: {said}",

  // Requests
  malformed_request: MISUNDERSTOOD,
  malformed_json: MISUNDERSTOOD,
  malformed_message: MISUNDERSTOOD,
  no_such_route: MISUNDERSTOOD,
  method_not_allowed: MISUNDERSTOOD,
  unsupported_media_type: MISUNDERSTOOD,
  tus_version: MISUNDERSTOOD,
  request_timeout: "Die Anfrage kam nicht rechtzeitig vollständig an.",
  body_too_large: "Das ist größer, als der Dienst annimmt.",
  url_too_long: "Die Adresse ist zu lang.",
  headers_too_large: "Der Browser schickt zu viele Kopfzeilen oder Cookies mit.",
  range_outside: "Die Datei ist kürzer als das, was gewünscht war.",
  too_many_requests: "Zu viele Anfragen auf einmal. Warten Sie einen Augenblick.",
  too_many_attempts: "Zu viele Versuche. Warten Sie einen Augenblick.",
  too_many_of_address: "Zu viele offene Verbindungen von Ihrer Adresse; schließen Sie einige.",
  too_many_connections: "Der Dienst hat zu viele offene Verbindungen. Versuchen Sie es gleich noch einmal.",
  csrf_token_wrong:
    "Die Anfrage kommt nicht von dieser Seite, oder Sie sind inzwischen anders angemeldet. Laden Sie die Seite neu.",
  foreign_origin:
    "Die Anfrage kommt nicht von der Seite dieses Dienstes. Hinter einem Proxy muss seine öffentliche Adresse eingestellt sein.",
  idempotency_key_reused:
    "Dieses Formular wurde schon mit anderen Werten geschickt. Schicken Sie es noch einmal.",
  idempotency_key_used:
    "Der hiermit angelegte Workspace ist gelöscht. Schicken Sie das Formular noch einmal.",

  // Signing in
  login_code_invalid:
    "Der Anmeldecode gilt nicht: Er gilt einmal und eine Stunde lang. Lassen Sie sich einen neuen geben.",
  token_not_found: "Diesen Zugangsschlüssel haben Sie nicht.",

  // Workspaces
  workspace_not_found: "Diesen Workspace gibt es nicht (mehr).",
  name_taken: "Dieser Name ist vergeben. Wählen Sie einen anderen.",
  wrong_state: "Das geht im jetzigen Zustand des Workspace nicht: {said}",
  being_deleted: "Der Workspace wird gerade gelöscht.",
  not_running: "Der Workspace läuft nicht. Starten Sie ihn zuerst.",
  not_idle: "Der Workspace wurde inzwischen benutzt oder soll weiterlaufen.",
  workspace_starting: "Der Workspace startet. Versuchen Sie es gleich noch einmal.",
  not_ready: "Der Workspace war noch nie gestartet; warten Sie, bis er läuft.",
  paused: "Der Workspace ist pausiert. Setzen Sie ihn zuerst fort.",
  booting: "Der Workspace startet gerade. Warten Sie, bis er läuft.",
  generation_not_found: "Diese Generation gibt es nicht (mehr).",
  exceeds_machine: "So viel hat die Maschine nicht: {said}",
  insufficient_memory: "Der Arbeitsspeicher der Maschine reicht dafür nicht: {said}",
  insufficient_storage: "Der Speicherplatz der Maschine reicht dafür nicht: {said}",
  memory_in_use:
    "Der Workspace benutzt mehr Arbeitsspeicher, als er behalten soll. Beenden Sie erst Programme darin.",
  storage_shrink: "Speicherplatz kann nur größer werden.",
  storage_in_use: "Der Workspace muss angehalten sein, damit sein Speicherplatz wachsen kann.",
  start_timeout: "Der Workspace startet nicht. Sein Protokoll sagt mehr.",
  boot_failed: "Der Workspace konnte nicht starten: {said}",
  no_effect: "Der Schritt gelingt, bewirkt aber nichts. Das Protokoll des Dienstes sagt mehr.",
  no_journal: "In diesem Workspace gibt es kein journalctl, um sein Journal zu lesen.",
  invalid_port: "Das ist kein TCP-Port.",
  ports_refused: "Die Firewall des Workspace wurde darin so geändert, dass sich Ports nicht öffnen lassen.",
  tunnel_idle: "Durch diesen Tunnel ging zu lange nichts.",
  port_closed: "An diesem Port nimmt im Workspace nichts Verbindungen an.",

  // Environments
  unknown_template: "Diese Vorlage gibt es nicht: {said}",
  unknown_package: "Dieses Paket gibt es nicht: {said}",
  invalid_package: "Dieses Paket lässt sich nicht benutzen: {said}",
  index_not_ready: "Die Liste der Pakete wird gerade erstellt. Versuchen Sie es in einer Minute noch einmal.",
  package_set_unavailable: "Die Paketmenge ist nicht zu erreichen: {said}",
  build_timeout: "Das Bauen hat zu lange gedauert: {said}",
  build_running: "Es wird gerade gebaut. Räumen Sie danach auf.",
  evaluation_timeout: "Das Auswerten der Umgebung hat zu lange gedauert; wählen Sie weniger Pakete.",
  evaluation_memory:
    "Das Auswerten der Umgebung brauchte zu viel Arbeitsspeicher; wählen Sie weniger Pakete.",
  import_from_derivation: "Die Umgebung müsste schon beim Auswerten bauen, was nicht erlaubt ist: {said}",
  unlocked_input: "Eine Quelle der Umgebung ist nicht festgelegt: {said}",
  download_failed: "Eine Quelle ließ sich nicht herunterladen: {said}",
  disk_full: "Die Platte der Maschine ist voll. Es muss erst aufgeräumt werden.",

  // Terminals
  terminal_not_found:
    "Dieses Terminal gibt es nicht mehr: Es wurde geschlossen, oder sein Programm ist zu Ende.",
  layout_changed:
    "Die Terminals wurden inzwischen in einem anderen Fenster anders angeordnet; die neue Anordnung wird gelesen.",
  session_not_found: "Diese Verbindung zum Terminal ist zu Ende.",
  session_ended: "Diese Verbindung zum Terminal ist zu Ende.",
  terminal_start: "Das Programm des Terminals konnte nicht starten: {said}",
  terminal_protocol:
    "Der Terminaldienst des Workspace hat abgelehnt; bauen Sie den Workspace neu, wenn es so bleibt.",
  terminal_ended: "Das Programm ist sofort zu Ende gegangen.",
  too_many_terminals: "Der Workspace hat zu viele Terminals; schließen Sie einige.",
  holder_unavailable: "Der Terminaldienst des Workspace antwortet nicht; vielleicht startet er noch.",
  bad_offset: "Das Terminal hat neu begonnen. Verbinden Sie sich noch einmal.",
  readonly: "In diesem Terminal dürfen Sie nur zusehen.",
  replaced: "Das Terminal wurde an anderer Stelle neu verbunden.",
  connection_lost: "Die Verbindung zum Workspace ist abgerissen.",

  // Files
  file_not_found: "Das gibt es im Workspace nicht (mehr).",
  directory_not_found: "Dieses Verzeichnis gibt es im Workspace nicht; legen Sie es zuerst an.",
  not_a_directory: "Das ist kein Verzeichnis.",
  is_a_directory: "Das ist ein Verzeichnis; laden Sie es als Archiv herunter.",
  not_a_file: "Das ist eine Pipe, ein Socket oder ein Gerät und keine Datei.",
  exists: "Das gibt es dort schon.",
  permission_denied: "Der Benutzer des Workspace darf das hier nicht; ändern Sie Besitzer oder Rechte.",
  invalid_path: "Diesen Pfad kann der Workspace nicht benutzen.",
  path_too_long: "Das Verzeichnis liegt zu tief; löschen Sie weiter oben.",
  directory_not_empty: "Während des Löschens kam etwas hinzu; löschen Sie noch einmal.",
  file_changed: "Die Datei wurde während des Lesens geändert. Versuchen Sie es noch einmal.",
  file_refused: "Der Dateidienst des Workspace nennt einen Namen, den keine Datei haben kann.",
  precondition_failed: "Die Datei hat sich geändert, seit sie geöffnet wurde.",
  copy_into_itself: "Ein Verzeichnis kann nicht in sich selbst kopiert werden.",
  other_file_system: "Das Ziel liegt auf einem anderen Dateisystem; kopieren Sie und löschen Sie danach.",
  duplicate_name: "Ein Name kommt zweimal vor: {said}",
  no_space:
    "Im Workspace ist kein Platz mehr dafür; löschen Sie etwas, oder geben Sie ihm mehr Speicherplatz.",
  size_unknown: "Die Datei nennt keine Größe und ist zu lang; lesen Sie sie in einem Terminal.",
  too_many_entries: "Das Verzeichnis hat zu viele Einträge; nehmen Sie ein Terminal.",
  too_many_files: "So viele Dateien nimmt ein Hochladen nicht auf.",
  too_many_file_requests: "Zu viele Dateizugriffe auf einmal; versuchen Sie es gleich noch einmal.",
  too_many_searches:
    "In diesem Workspace laufen zu viele Suchen; warten Sie, bis eine endet, oder beenden Sie eine.",
  search_unavailable: "Der Workspace hat kein Programm, das sucht; fügen Sie das Paket ripgrep hinzu.",
  workspace_not_answering:
    "Der Workspace beantwortet keine Dateizugriffe; versuchen Sie es noch einmal, oder starten Sie ihn neu.",
  workspace_unreachable: "Die Verbindung zum Workspace ist abgerissen; versuchen Sie es noch einmal.",
  upload_not_found: "Dieses Hochladen gibt es nicht mehr; beginnen Sie es neu.",
  upload_taken_over: "Das Hochladen wird an anderer Stelle fortgesetzt.",
  wrong_offset: "Das Hochladen ist an anderer Stelle; es wird dort fortgesetzt.",
  wrong_length: "Es kamen mehr Bytes an als angekündigt.",

  // Reaching a workspace
  no_answer: "Der Workspace antwortet nicht; versuchen Sie es noch einmal.",
  host_key_mismatch:
    "Der Workspace zeigt einen fremden Schlüssel; die Verbindung wurde abgelehnt. Starten Sie ihn neu.",
  ssh_refused: "Der Workspace lehnt seinen eigenen Schlüssel ab. Starten Sie ihn neu.",
  login_command: "Die Anmeldung im Workspace ist fehlgeschlagen: {said}",

  // What it may reach
  invalid_entry: "Das ist kein Name und keine Adresse, die hier stehen kann: {said}",
  never_allowed: "Das wird nie erlaubt: private und besondere Adressen und diese Maschine selbst. {said}",
  everything: "Das ist alles; wählen Sie stattdessen offen oder nichts.",
  too_many_rules: "So viele Einträge gehen nicht: {said}",
  too_many_proposals: "Zu viele Vorschläge warten; entscheiden Sie erst einige.",
  beyond_floor: "Das geht über die Vorgabe der Verwaltung hinaus: {said}",
  network_changed: "Das Netz wurde inzwischen anderswo geändert; hier steht jetzt der neue Stand.",
  not_learning: "Der Workspace lernt nicht (mehr).",
  proposal_not_found: "Diesen Vorschlag gibt es nicht (mehr).",
  proposal_decided: "Über diesen Vorschlag wurde schon entschieden.",
  // Secrets and repositories
  secret_not_found: "Ein Geheimnis dieses Namens gibt es nicht.",
  secret_place_taken:
    "Ein anderes Geheimnis hat diesen Pfad oder Host. Löschen Sie es, oder nehmen Sie seinen Namen.",
  secret_unreadable: "Ein Geheimnis lässt sich nicht entschlüsseln. Setzen Sie es neu.",
  secrets_unsupported:
    "Das System des Workspace ist älter als Geheimnisse. Bauen Sie es neu, dann bekommt er sie.",
  too_many_secrets: "Es gibt zu viele oder zu große Geheimnisse. Löschen Sie eines.",
  no_repository: "Ein Repository oder Dotfiles sind noch nicht angegeben.",
  credentials_in_url:
    "In der Adresse eines Repositorys stehen weder Benutzername noch Passwort. Legen Sie sie als Geheimnis der Art Git für den Host ab.",
  invalid_repository:
    "Die Adresse eines Repositorys ist https://HOST/PFAD, http://HOST/PFAD, ssh://BENUTZER@HOST/PFAD oder BENUTZER@HOST:PFAD; ein Ref ist ein Branch, ein Tag oder ein Commit, ein Verzeichnis liegt unter dem eigenen.",

  // The machine below
  node_unavailable:
    "Der Teil des Dienstes, der Workspaces ausführt, antwortet nicht. Versuchen Sie es gleich noch einmal.",
  node_stopping: "Der Dienst wird gerade angehalten.",
  node_running: DAMAGED,
  node_directory: DAMAGED,
  node_forbidden: DAMAGED,
  node_protocol: DAMAGED,
  node_fault: NODE,
  machine_absent: "Die Maschine dieses Workspace gibt es nicht (mehr).",
  machine_incomplete: NODE,
  machine_quarantined: NODE,
  processes_left: "Programme im Workspace enden nicht.",
  freezer: "Die Programme des Workspace ließen sich nicht anhalten oder fortsetzen.",
  engine_create: NODE,
  engine_missing: DAMAGED,
  engine_update: NODE,
  volume_busy: "Der Datenträger ist noch in Gebrauch; löschen Sie in einer Minute noch einmal.",
  volume_growth: NODE,
  volume_key_wrong: NODE,
  volume_mount: NODE,
  volume_not_encrypted: NODE,
  addresses_used_up: "Alle Netzadressen für Workspaces sind vergeben.",
  network_in_use: DAMAGED,
  nftables_missing: DAMAGED,
  nftables_refused: DAMAGED,
  namespaces_refused: DAMAGED,
  cgroups_missing: DAMAGED,
  seccomp_missing: DAMAGED,
  encryption_missing: DAMAGED,
  flake_missing: DAMAGED,
  nix_missing: DAMAGED,
  nix_daemon_unavailable: "Der Nix-Dienst der Maschine antwortet nicht.",
  database_unavailable: "Die Datenbank des Dienstes antwortet nicht: {said}",
  keys_missing: DAMAGED,
  keys_unreadable: DAMAGED,
  master_key_missing: DAMAGED,
  master_key_wrong: DAMAGED,
  preview_not_found: "Diese Vorschau gibt es nicht, oder sie ist nicht für Sie.",
  link_expired: "Der Link gilt nicht mehr.",
  program_changed: "Dort antwortet jetzt ein anderes Programm als das, das gezeigt wird.",
  ticket_invalid: "Die Adresse wurde schon benutzt oder ist zu alt; öffnen Sie den Port noch einmal.",
  port_refused: "Port 22 gehört sshd und ist keine Webseite: benutzen Sie `nixws ssh`.",
  port_timeout: "Das Programm antwortet nicht.",
  bad_answer: "Das Programm antwortet nicht in HTTP: {said}",
  preview_loop: "Die Vorschau führt auf sich selbst zurück.",
  listeners_unseen: DAMAGED,
  figures_unavailable:
    "Die Messwerte können gerade nicht gelesen werden. Versuchen Sie es gleich noch einmal.",

  // Sign-in by an OpenID provider
  no_openid_provider: "Hier ist kein OpenID-Anbieter eingestellt.",
  oidc_unavailable:
    "Der OpenID-Anbieter antwortet nicht, wie er soll. Versuchen Sie es später noch einmal oder melden Sie sich anders an.",
  oidc_state:
    "Diese Anmeldung wurde in einem anderen Browser begonnen, schon benutzt oder hat zu lange gedauert. Beginnen Sie von vorn.",
  oidc_denied:
    "Der OpenID-Anbieter hat Sie nicht angemeldet, oder Sie haben es dort abgelehnt. Beginnen Sie von vorn.",
  oidc_answer:
    "Die Antwort des OpenID-Anbieters beweist nicht, wer Sie sind. Melden Sie sich noch einmal an; bleibt es dabei, sagen Sie es einem Verwalter: das Protokoll des Dienstes weiß mehr.",
  oidc_unknown_user:
    "Der Anbieter kennt Sie, hier aber gibt es keinen Benutzer für Sie. Haben Sie einen, melden Sie sich anders an und verbinden Sie dieses Konto auf der Seite Konto; sonst fragen Sie einen Verwalter.",
  oidc_suspended: "Ihr Benutzer ist hier gesperrt; fragen Sie einen Verwalter.",
  identity_taken: "Dieses Konto meldet hier jemand anderen an. Der muss es zuerst trennen.",
  identity_not_found: "Dieses Konto ist nicht (mehr) mit Ihrem verbunden.",
  logout_token_invalid: "Das Abmelde-Token wird abgelehnt: {said}",

  // People
  beyond_credential: "Das Token, mit dem Sie handeln, reicht dafür nicht: {said}",
  lifetime_too_long: "So lange leben nur Tokens von Verwaltern: {said}",
  sign_in_failed: "Kürzel oder Passwort ist falsch.",
  wrong_password: "Das bisherige Passwort ist falsch.",
  passkey_expired:
    "Nach dem Passkey wurde vor zu langer Zeit oder in einem anderen Browser gefragt, oder er wurde schon gezeigt. Versuchen Sie es noch einmal.",
  passkey_refused: "Die Antwort des Passkeys stimmt nicht.",
  passkey_unknown:
    "Dieser Passkey ist hier nicht bekannt: er wurde entfernt oder gehört zu einem anderen Dienst.",
  passkey_counter:
    "Dieser Passkey wurde abgelehnt: sein Zähler ist zurückgegangen, wie bei einer Kopie. Melden Sie sich auf anderem Weg an, und entfernen Sie ihn, wenn er nicht nur Ihnen gehört.",
  passkey_needed: "Bestätigen Sie das mit einem Ihrer Passkeys.",
  passkey_not_found: "Diesen Passkey haben Sie nicht (mehr).",
  passkey_needs_name:
    "Passkeys gelten für einen Namen: öffnen Sie den Dienst unter einem statt unter einer Adresse aus Ziffern.",
  passkey_taken: "Dieser Passkey ist schon registriert.",
  too_many_passkeys: "Mehr Passkeys kann niemand haben: entfernen Sie einen.",
  last_way_in:
    "Das ist Ihr einziger Weg, sich anzumelden. Setzen Sie erst ein Passwort oder fügen Sie einen anderen Passkey hinzu.",
  sign_in_busy: "Gerade melden sich zu viele an. Versuchen Sie es gleich noch einmal.",
  password_length: "Ein Passwort hat 12 bis 256 Zeichen; mehrere Wörter sind gut.",
  password_common:
    "Dieses Passwort wird mit als erstes probiert: es ist verbreitet, hat wenige verschiedene Zeichen oder enthält Ihr Kürzel. Wählen Sie ein anderes.",
  handle_taken: "Dieses Kürzel gibt es schon.",
  last_administrator: "Das ist der letzte Verwalter. Machen Sie erst jemand anderen dazu.",
  cannot_sign_in: "Dieses Konto kann sich nicht anmelden: es ist ein Dienstkonto oder gesperrt.",
  user_not_found: "Diesen Benutzer gibt es nicht.",
  group_taken: "Diese Gruppe gibt es schon.",
  group_not_found: "Diese Gruppe gibt es nicht.",
  browser_session_not_found: "Diese Sitzung gibt es nicht (mehr).",
  no_service_account: "Das ist kein aktives Dienstkonto: Personen erstellen ihre Tokens selbst.",
  device_code_unknown:
    "Mit diesem Code wartet kein Programm: sehen Sie noch einmal nach oder beginnen Sie von vorn.",
  budget_reached: "Das Budget für diesen Monat ist aufgebraucht: {said}",
  budget_not_found: "Dieses Budget gibt es nicht.",
  quota_exceeded: "Das Kontingent reicht dafür nicht: {said}",
  authorization_pending: "Der Code ist noch nicht bestätigt.",
  slow_down: "Das Programm fragt zu oft.",
  access_denied: "Die Anmeldung wurde im Browser abgelehnt.",
  expired_token: "Der Code wurde benutzt oder ist zu alt: beginnen Sie von vorn.",
};
