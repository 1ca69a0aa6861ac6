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

  // Work in a workspace, and the reasons of stops
  "idle.input": "Vor {seconds} s wurde in ein Terminal getippt.",
  "idle.cpu": "{unit} nutzt {percent} % eines Kerns.",
  "idle.disk": "{unit} liest und schreibt {rate} KB in der Sekunde.",
  "idle.network": "{rate} KB in der Sekunde gehen über sein Netz.",
  "idle.unit": "{unit} läuft, was hier als Arbeit zählt.",
  "idle.program": "{program} läuft.",
  "idle.debugger": "Ein Debugger hält {program} an.",
  "idle.inhibitor": "{program} bittet, wach zu bleiben: {why}",
  "idle.timer": "{timer} ist um {at} fällig.",
  "idle.unseen": "Er nennt seine Zeitgeber nicht.",
  "idle.most": "Am meisten Prozessorzeit: {unit}, {percent} % eines Kerns.",
  "stop.asked": "{actor} hat ihn angehalten.",
  "stop.pause_asked": "{actor} hat ihn pausiert.",
  "stop.idle": "Seit {minutes} Minuten hat nichts darin gearbeitet.",
  "stop.pause_idle": "Seit {minutes} Minuten hat nichts darin gearbeitet; sein Speicher bleibt erhalten.",
  "stop.budget": "Das Budget für diesen Monat ({kind}) ist aufgebraucht ({amount}).",
  "stop.schedule": "Sein Zeitplan hat ihn angehalten ({cron}, {zone}).",

  // Advice about sizes, and why one has changed by itself
  "advice.too_early": "Für eine Empfehlung ist er noch nicht lange genug gelaufen: noch {minutes} Minuten.",
  "advice.cpu":
    "Neun Zehntel der Zeit brauchte er höchstens {used} Kerne; auch wobei er gebremst wurde, zählt.",
  "advice.memory": "Am letzten Tag brauchte er höchstens {peak} GB Speicher, ohne den Zwischenspeicher.",
  "advice.oom":
    "Ein Prozess wurde aus Mangel an Speicher beendet; am letzten Tag waren es höchstens {peak} GB.",
  "scaling.bounds": "Er war kleiner, als seine Grenzen oder ein Schub sagen.",
  "scaling.over": "Er war größer, als jetzt gewünscht ist.",
  "scaling.oom_kill": "Ein Prozess wurde aus Mangel an Speicher beendet.",
  "scaling.memory_risk": "Sein Speicher wäre bald zu Ende gewesen.",
  "scaling.memory_pressure": "Seine Programme warteten auf Speicher.",
  "scaling.cpu_short": "Seine Kerne waren ausgelastet.",
  "scaling.memory_idle": "Er hatte eine Weile weniger Speicher gebraucht.",
  "scaling.cpu_idle": "Er hatte eine Weile weniger Kerne gebraucht.",
  "scaling.in_use": "Er braucht den Speicher, der ihm genommen werden sollte.",
  "scaling.no_room": "Ein Kontingent oder die Maschine hat keinen Platz für mehr.",
  "scaling.budget": "Das Budget erlaubt nicht mehr.",
  // The health of the parts of the service
  "commitment.within":
    "Laufende Workspaces dürfen {cpu} von {cpu_total} Kernen und {memory} von {memory_total} GB brauchen.",
  "commitment.over":
    "Laufende Workspaces dürfen {cpu} Kerne brauchen, mehr als die {cpu_total} vorhandenen, und {memory} von {memory_total} GB: Unter Last hat jeder seinen Anteil nach seiner Größe.",
  "database.ok": "Die Datenbank speichert.",
  "database.problem": "{said}",
  "database.silent": SILENT,
  "schema.ok": "Die Datenbank hat die Tabellen dieser Version.",
  "schema.unseen": "Die Datenbank antwortet nicht; siehe dort.",
  "schema.other": "Die Datenbank hat nicht die Tabellen dieser Version.",
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
  "disk.short": DISK,
  "disk.full": DISK,
  "volumes.room": VOLUMES,
  "volumes.full": VOLUMES,
  "background.new": "Die Hintergrundaufgabe {task} ist noch nicht gelungen.",
  "background.ok": "Die Hintergrundaufgabe {task} ist zuletzt am {at} gelungen.",
  "background.failed_new":
    "Die Hintergrundaufgabe {task} ist noch nicht gelungen; Neuanläufe: {restarts}: {said}",
  "background.failed":
    "Die Hintergrundaufgabe {task} ist zuletzt am {at} gelungen; Neuanläufe: {restarts}: {said}",

  // Errors that say more than their code
  "refused.pause":
    "Workspace {name}: {status}. Pausieren lässt sich nur, was läuft: Starten Sie ihn, oder warten Sie, bis er läuft.",
  "refused.resume":
    "Workspace {name}: {status}. Fortsetzen lässt sich nur, was pausiert ist: Starten Sie ihn.",
  "refused.boost": "Workspace {name}: {status}. Starten Sie ihn, dann geben Sie ihm den Schub.",
  "refused.learning": "Der Workspace {name} läuft nicht: Starten Sie ihn zuerst.",
  "refused.too_small": "{size}: mindestens {least} {unit}.",
  "refused.too_large": "{size}: höchstens {most} {unit}; mehr hat die Maschine nicht.",
  "refused.quota":
    "{whose} erlaubt {allowed} {unit}: {used} sind belegt, {more} mehr wären nötig. Halten Sie einen Workspace an oder löschen Sie einen, verlangen Sie weniger, oder bitten Sie einen Verwalter um mehr.",
  "refused.budget":
    "{whose} von {amount} ist für diesen Monat aufgebraucht. Bis zum nächsten Monat wird nichts angelegt oder gestartet; halten Sie an, was niemand braucht, oder bitten Sie einen Verwalter um mehr.",
  "refused.memory_left":
    "{needed} GB Arbeitsspeicher sind nötig, {left} GB sind für laufende Workspaces übrig. Halten Sie einen an, oder verlangen Sie weniger.",
  "refused.storage_left":
    "{needed} GB mehr Speicherplatz sind nötig, {left} GB sind übrig. Verlangen Sie weniger, oder löschen Sie einen Workspace.",
  "refused.disk_left":
    "Auf dem Datenträger sind {left} GB für neue frei und {needed} GB nötig. Löschen Sie Workspaces, oder verlangen Sie weniger Speicherplatz.",
  "refused.disk_full": "{said} Schaffen Sie Platz, dann legen Sie ihn an.",
  "refused.build_disk_full": "{said} Nichts wird gebaut, bis Platz ist.",
  "size.cpu": "Prozessor",
  "size.memory": "Arbeitsspeicher",
  "size.storage": "Speicherplatz",
  "unit.cpu": "Kerne",
  "unit.gigabytes": "GB",
  "unit.memory": "GB Arbeitsspeicher",
  "unit.storage": "GB Speicherplatz",
  "unit.workspaces": "Workspaces",
  "unit.running": "laufende Workspaces",
  "quota.own": "Ihr Kontingent",
  "quota.group": "Das Kontingent der Gruppe {group}",
  "budget.user": "Ihr Budget",
  "budget.group": "Das Budget Ihrer Gruppe",
  "budget.workspace": "Sein Budget",
  "refused.template": "Die Vorlage {name} gibt es nicht.",
  "refused.template_near": "Die Vorlage {name} gibt es nicht. Meinten Sie {near}?",
  "refused.package": "Das Paket {name} gibt es nicht ({set}).",
  "refused.package_near": "Das Paket {name} gibt es nicht ({set}). Meinten Sie {near}?",
  "refused.near": "{first} oder {last}",
  "refused.package_unusable":
    "Das Paket {name} gibt es ({set}), es lässt sich aber nicht benutzen: Es ist unfrei, kaputt, unsicher oder für eine andere Plattform.",
  "refused.nix": "Nix hat die Umgebung abgelehnt: {reason}",
  "refused.nix_slow":
    "Nix wurde angehalten, weil es länger als {seconds} Sekunden brauchte. Versuchen Sie es noch einmal (was gebaut ist, bleibt), oder erhöhen Sie build_timeout.",
  "refused.no_package":
    "Das Paket {name} gibt es in dieser Paketmenge nicht. Berichtigen oder entfernen Sie es.",
  "refused.by_set":
    "Die Paketmenge lehnt {name} ab: {reason}. Entfernen Sie es, oder wählen Sie ein anderes Paket.",
  "refused.builder": "{name} ließ sich nicht bauen ({reason}).",
  "refused.builder_said": "{name} ließ sich nicht bauen ({reason}). Die letzten Zeilen: {lines}",
  "refused.build_slow": "{name} ließ sich nicht bauen: es dauerte länger als {seconds} Sekunden.",
  "refused.imported":
    "{name} müsste schon beim Auswerten der Umgebung gebaut werden (import from derivation), was nicht erlaubt ist. Entfernen Sie es, oder was sein Ergebnis liest.",
  "refused.download":
    "Eine Quelle ließ sich nicht herunterladen: {source}: {reason}. Prüfen Sie das Netz, dann bauen Sie noch einmal.",
  "refused.endless":
    "Die Vorlage oder die Paketmenge verweist endlos auf sich selbst. Berichtigen Sie die Vorlage.",
  "refused.mode":
    "Die Stufe {mode} geht über die Vorgabe der Verwaltung hinaus: Wählen Sie höchstens {floor}.",
  "refused.entry": "{entry} geht über die Vorgabe der Verwaltung hinaus ({floor}{why}).",
  "refused.learning_floor":
    "Beim Lernen ist eine Weile alles erreichbar; das geht über die Vorgabe der Verwaltung hinaus.",
  "refused.entries": "Ein Workspace hat höchstens {most} Einträge: Nehmen Sie erst welche weg.",
  "refused.part": "Hier dürfen Sie {most} sein, nicht {wanted}.",
  "refused.watching": "Terminals dürfen Sie hier ansehen, aber nicht öffnen.",
  "person.observer": "zusehend",
  "person.peer": "mittippend",
  "person.moderator": "leitend",
  "login.exit": "Es endete mit dem Code {exit}.",
  "login.no_answer": "Keine Antwort innerhalb von {seconds} Sekunden.",
  "login.broke_off": "Die Verbindung brach ab ({kind}).",
  "login.lost": "Keine Antwort auf die letzte Frage.",
  "login.engine": "Keine Antwort innerhalb von {seconds} Sekunden.",
  "login.part.ssh": "SSH",
  "login.part.command": "Ein Befehl",
  "login.part.terminal": "Ein Terminal",
  "login.part.file": "Eine Datei",
  "task.cancelled": "Sie wurde abgebrochen.",
  "task.ended": "Sie hat von selbst aufgehört.",
  "task.slow": "Sie dauerte zu lange und wurde abgebrochen.",
  "task.unexpected": "Unerwarteter Fehler ({kind}); das Protokoll des Dienstes sagt mehr.",

  // Why a workspace does not do what is expected of it
  "why.well": "Soweit zu sehen ist, ist alles in Ordnung.",
  "why.stopped": "Er läuft nicht, weil er angehalten und seitdem nicht wieder gestartet wurde.",
  "why.stopping": "Er wird heruntergefahren, wie es verlangt war.",
  "why.deleting": "Er wird gelöscht, wie es verlangt war.",
  "why.paused": "Er ist pausiert: Seine Programme behalten ihren Speicher und laufen nicht.",
  "why.starting": "Er ist unterwegs: Was er braucht, wird gemacht, und nichts ist fehlgeschlagen.",
  "why.restarting": "Er wird für eine Änderung neu gestartet, die das braucht.",
  "why.retried": "Ein Schritt ist fehlgeschlagen und wird am {at} wieder versucht. {said}",
  "why.engine": "Der Knoten antwortet nicht, ohne den nichts startet oder zu erreichen ist. {said}",
  "why.quarantined": "Der Knoten lässt seine Maschine in Ruhe, weil er sie nicht übernehmen konnte: {told}.",
  "why.no_room": "Die Maschine hat nicht genug für ihn übrig. {said}",
  "why.disk": "Der Datenträger des Dienstes ist voll; darum wird nichts gebaut. {said}",
  "why.build": "Seine Umgebung ließ sich nicht herstellen. {said}",
  "why.boot": "Er wurde gestartet und kam nicht hoch. {said}",
  "why.died": "Seine Maschine hat von selbst aufgehört. {said}",
  "why.lost": "Sein Datenträger ist nicht mehr da. {said}",
  "why.failed": "Ein Schritt ist fehlgeschlagen und wurde aufgegeben. {said}",
  "why.key": "Sein SSH-Server lässt den Dienst nicht herein. {said}",
  "why.silent": "Er läuft, aber sein SSH-Server antwortet nicht. {said}",
  "why.young": "Er ist eben erst gestartet, und sein SSH-Server antwortet noch nicht.",
  "why.busy":
    "Er läuft, aber sein SSH-Server antwortet nicht: {share} % seiner Prozessoren sind mit anderem beschäftigt.",
  "why.commands": "Sein SSH-Server antwortet, aber Befehle laufen nicht. {said}",
  "why.terminals": "Sein SSH-Server antwortet, aber Terminals gehen nicht auf. {said}",
  "why.sockets": "In Browsern und Programmen haben Sie so viele Terminals offen, wie gehen: {count}.",
  "why.far": "Er ist zu erreichen, aber eine Antwort dauert {latency} ms.",
  "why.device": "Eines seiner Geräte ist beschädigt. {said}",
  "why.no_files": "Seine Dateien dürfen Sie nicht lesen: Dafür ist er Ihnen nicht freigegeben.",
  "why.read_only":
    "Seine Dateien dürfen Sie lesen, aber nicht schreiben: Dafür ist er Ihnen nicht freigegeben.",
  "why.files": "Seine Dateien lassen sich nicht lesen. {said}",
  "why.space": "Sein Speicherplatz ist voll: {share} % sind belegt.",
  "why.killed": "Prozesse wurden beendet, weil sein Arbeitsspeicher nicht reichte: {count} seit dem Start.",
  "why.memory": "Sein Arbeitsspeicher ist fast voll: {share} % sind belegt.",
  "why.waits_memory": "Seine Programme warten {share} % der Zeit auf Arbeitsspeicher.",
  "why.processor": "Seine Programme nutzen alle Prozessoren, die er hat: {share} %.",
  "why.throttled":
    "Seine Programme werden {share} % der Zeit aufgehalten, weil seine Grenze an Prozessoren erreicht ist.",
  "why.waits_processor":
    "Seine Programme warten {share} % der Zeit auf einen Prozessor, weil auch andere arbeiten.",
  "why.waits_disk": "Seine Programme warten {share} % der Zeit auf den Datenträger.",
  "why.seen.status": "Sein Zustand ist {status}; verlangt ist {desire}.",
  "why.seen.machine": "Der Knoten sieht seine Maschine als {state}.",
  "why.seen.fault": "Der letzte Fehlschlag, am {at}: {said} ({problem})",
  "why.seen.tries": "Der Schritt {step} ist {count}-mal nacheinander fehlgeschlagen.",
  "why.seen.boot": "Das Ende seines Startprotokolls: {line}",
  "why.seen.login": "{part} hat beim letzten Versuch nicht geantwortet: {said}",
  "why.seen.processor": "Er nutzt {share} % seiner Prozessoren.",
  "why.seen.memory": "Er nutzt {share} % seines Arbeitsspeichers.",
  "why.seen.storage": "Er nutzt {share} % seines Speicherplatzes.",
  "why.seen.latency": "Sein SSH-Server antwortet binnen {latency} ms.",
  "why.seen.network": "Er darf erreichen, was die Stufe {mode} hinauslässt.",
  "why.seen.way_out": "Workspaces haben zurzeit keinen Weg nach draußen: {told}",
  "why.seen.free": "Die Maschine hat {free} GB Speicherplatz für neue frei.",
  "why.line.start.resources": "Prüfen, ob genug Ressourcen frei sind",
  "why.line.start.infrastructure": "Den Zustand der NixOS-Infrastruktur prüfen",
  "why.line.start.configuration": "Die Konfiguration des Workspace durchsehen",
  "why.line.start.logs": "Die Systemprotokolle prüfen",
  "why.line.terminal.running": "Prüfen, ob der Workspace läuft",
  "why.line.terminal.ssh": "Den Zustand des SSH-Dienstes prüfen",
  "why.line.terminal.websocket": "Die WebSocket-Verbindung prüfen",
  "why.line.terminal.network": "Die Netzverbindung durchsehen",
  "why.line.files.permissions": "Die Berechtigungen für den Workspace prüfen",
  "why.line.files.ssh": "Die SSH-Anmeldung prüfen",
  "why.line.files.system": "Den Zustand des Dateisystems durchsehen",
  "why.line.files.space": "Prüfen, ob Speicherplatz frei ist",
  "why.found.resources": "Prozessoren, Arbeitsspeicher und Speicherplatz sind für ihn da.",
  "why.found.infrastructure": "Der Knoten antwortet und hat seine Maschine in der Hand.",
  "why.found.configuration": "Seine Umgebung ist gebaut, wie sie verlangt ist.",
  "why.found.unbuilt": "Seine Umgebung ist noch nicht gebaut; nichts spricht dagegen.",
  "why.found.log": "Seit zuletzt etwas verlangt wurde, ist kein Fehlschlag vermerkt.",
  "why.found.running": "Er läuft.",
  "why.found.not_running": "Er läuft nicht: Sein Zustand ist {status}.",
  "why.found.ssh": "Sein SSH-Server antwortet, Befehle und Terminals laufen.",
  "why.found.sockets": "Ihre WebSockets kommen an: {count} sind offen.",
  "why.found.no_sockets":
    "Keiner Ihrer WebSockets ist offen, {count} dürfen es sein; wo keiner ankommt, reicht ein Proxy auf dem Weg den Header Upgrade nicht weiter.",
  "why.found.network": "Er ist binnen {latency} ms zu erreichen.",
  "why.found.permissions": "Sie dürfen seine Dateien lesen und schreiben.",
  "why.found.login": "Der Schlüssel des Dienstes lässt ihn herein.",
  "why.found.files": "Seine Dateien sind zu lesen.",
  "why.found.space": "{share} % seines Speicherplatzes sind belegt.",
  "why.found.untried": "Solange er nicht läuft, lässt es sich nicht versuchen.",
  "why.found.unknown": "Es ließ sich nicht nachsehen.",
  "why.next.none": "Es ist nichts zu tun.",
  "why.next.wait": "Warten Sie; es geht von selbst weiter.",
  "why.next.start": "Starten Sie ihn.",
  "why.next.resume": "Setzen Sie ihn fort.",
  "why.next.restart": "Starten Sie ihn neu.",
  "why.next.rebuild": "Bauen Sie ihn noch einmal.",
  "why.next.resize": "Geben Sie ihm mehr.",
  "why.next.change_environment": "Ändern Sie seine Pakete, oder bauen Sie ihn noch einmal.",
  "why.next.free_space": "Löschen Sie Dateien, die niemand braucht, oder geben Sie ihm mehr Speicherplatz.",
  "why.next.read_log": "Lesen Sie sein Protokoll.",
  "why.next.close_terminals": "Schließen Sie Terminals, die niemand braucht.",
  "why.next.look_at_service": "Sehen Sie nach dem Zustand des Dienstes, oder fragen Sie, wer ihn betreibt.",
  "why.next.delete": "Spielen Sie seine Daten zurück und starten Sie ihn, oder löschen Sie ihn.",
  "why.next.ask_owner": "Fragen Sie, wem er gehört; selbst dürfen Sie es nicht.",
};

/** The remedies for what is wrong, by the code of the finding. */
export const remedies: SaidTexts = {
  "database.problem": DATABASE,
  "database.silent": DATABASE,
  "schema.other":
    "Starten Sie den Dienst neu, der seine Datenbank dann umstellt, oder spielen Sie die Datenbank zurück, die er hatte.",
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
  "disk.short":
    "Schaffen Sie bald Platz auf dem Datenträger von {path}; unter 2 % wird nichts gebaut und kein Workspace angelegt.",
  "disk.full":
    "Schaffen Sie Platz auf dem Datenträger von {path}; bis dahin wird nichts gebaut und kein Workspace angelegt.",
  "volumes.full": "Löschen Sie Workspaces, oder schaffen Sie Platz auf dem Datenträger des Knotens.",
  "background.failed_new": BACKGROUND,
  "background.failed": BACKGROUND,
};
