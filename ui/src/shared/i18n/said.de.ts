import type { SaidTexts } from "./messages";

const DISK = "Auf dem Datenträger von {path} ({purpose}) sind {free} GB von {total} GB frei ({share} %).";
const VOLUMES = "Auf dem Datenträger der Workspaces sind {free} GB von {total} GB für neue frei.";
const SILENT = "Keine Antwort innerhalb von 5 Sekunden.";
const BACKGROUND =
  "Sie wird von selbst noch einmal versucht; beheben Sie, was genannt ist, oder sehen Sie in das Protokoll des Dienstes.";
const DATABASE = "Tun Sie, was der Befund sagt.";
const ENGINE = "Starten Sie den Knoten: nixws node, als root.";

/** Every sentence that the service says of its own accord, by its code, in German; English is what it sends. */
export const sentences: SaidTexts = {
  // How far the present work on a workspace has got
  "progress.queue": "Wartet, {before} davor",
  "progress.equal": "Wartet auf den Bau einer gleichen Umgebung",
  "progress.evaluate": "Wertet die Umgebung aus",
  "progress.build": "Baut {name}",
  "progress.build_all": "Baut die Umgebung",
  "progress.fetch": "Holt {name}",
  "progress.fetch_all": "Holt die Umgebung",

  // What an owner should know although nothing failed
  "notice.memory_one":
    "Die Speichergrenze war erreicht: 1 Prozess wurde seit dem letzten Hochfahren beendet. Geben Sie ihm mehr Speicher.",
  "notice.memory":
    "Die Speichergrenze war erreicht: {count} Prozesse wurden seit dem letzten Hochfahren beendet. Geben Sie ihm mehr Speicher.",

  // The health of the parts of the service
  "database.ok": "Die Datenbank speichert.",
  "database.problem": "{said}",
  "database.silent": SILENT,
  "engine.ok": "Der Knoten antwortet.",
  "engine.problem": "{said}",
  "engine.silent": SILENT,
  "engine.unseen": "Der Knoten antwortet nicht; siehe dort.",
  "package_set.ok": "Woraus Workspaces gebaut werden: {set}.",
  "machines.ok": "Jede Maschine gehört zu einem Workspace.",
  "machines.unknown": "Es gibt Maschinen, von denen kein Workspace weiß: {names}.",
  "quarantine.ok": "Jede Maschine konnte übernommen werden.",
  "quarantine.kept": "Maschinen werden in Ruhe gelassen: {told}.",
  "devices.ok": "Das Null-Gerät des Rechners ist heil.",
  "devices.broken": "Der Rechner, auf dem die Workspaces laufen, ist beschädigt: {told}",
  "machine_devices.ok": "Das Null-Gerät jedes laufenden Workspace ist heil.",
  "machine_devices.broken": "Laufende Workspaces sind beschädigt: {told}",
  "way_out.ok": "Der Weg nach draußen: {told}.",
  "way_out.closed": "Es gibt keinen Weg nach draußen, so ist es eingestellt.",
  "way_out.not": "Workspaces haben keinen Weg nach draußen: {told}.",
  "limits_seen.ok": "Workspaces sehen in /proc ihre eigenen Grenzen.",
  "limits_seen.not":
    "Workspaces sehen in /proc Speicher und Prozessoren dieser Maschine statt ihrer Grenzen: {told}.",
  "logins.none": "Noch läuft kein Workspace lange genug, um sich dort anzumelden.",
  "logins.ok":
    "Befehle, Terminals und Dateien laufender Workspaces ({count}) antworten; zuletzt versucht am {at}.",
  "logins.bad": "{bad} von {count} laufenden Workspaces antworten auf keine Anmeldung: {told}",
  "disk.room": DISK,
  "disk.full": DISK,
  "volumes.room": VOLUMES,
  "volumes.full": VOLUMES,
  "background.new": "Die Hintergrundaufgabe {task} ist noch nicht gelungen.",
  "background.ok": "Die Hintergrundaufgabe {task} ist zuletzt am {at} gelungen.",
  "background.failed_new":
    "Die Hintergrundaufgabe {task} ist noch nicht gelungen; Neuanläufe: {restarts}: {said}",
  "background.failed":
    "Die Hintergrundaufgabe {task} ist zuletzt am {at} gelungen; Neuanläufe: {restarts}: {said}",
};

/** The remedies for what is wrong, by the code of the finding. */
export const remedies: SaidTexts = {
  "database.problem": DATABASE,
  "database.silent": DATABASE,
  "engine.problem": ENGINE,
  "engine.silent": ENGINE,
  "machines.unknown":
    "Spielen Sie die Datenbank zurück, zu der sie gehören, oder entfernen Sie sie mit den Werkzeugen des Knotens. Sie bleiben unangetastet.",
  "quarantine.kept":
    "Sehen Sie in das Protokoll des Knotens und beheben Sie, was es nennt; das nächste Starten, Anhalten oder Löschen versucht es wieder.",
  "devices.broken":
    "Legen Sie es als root neu an (rm -f /dev/null; mknod -m 666 /dev/null c 1 3), oder starten Sie den Rechner neu.",
  "machine_devices.broken":
    "Starten Sie den Workspace neu: Seine Geräte werden bei jedem Start neu angelegt.",
  "way_out.not":
    "Beheben Sie, was genannt ist, oder wählen Sie einen anderen NIXWS_UPLINK (none: es soll keinen geben); es wird von selbst wieder versucht.",
  "limits_seen.not":
    "Installieren Sie auf der Maschine des Knotens das Paket lxcfs, oder beheben Sie, was genannt ist; es wird von selbst wieder versucht.",
  "logins.bad":
    "Sehen Sie in das Protokoll des Workspace und starten Sie ihn neu. Es wird etwa jede Minute wieder versucht.",
  "disk.full":
    "Schaffen Sie Platz auf dem Datenträger von {path}; bis dahin wird nichts gebaut und kein Workspace angelegt.",
  "volumes.full": "Löschen Sie Workspaces, oder schaffen Sie Platz auf dem Datenträger des Knotens.",
  "background.failed_new": BACKGROUND,
  "background.failed": BACKGROUND,
};
