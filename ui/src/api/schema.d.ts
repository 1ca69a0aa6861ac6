// Made from /api/openapi.json by `npm run types`; not to be edited.

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * AcceptRequest
         * @description The acceptance of a workspace.
         */
        AcceptRequest: {
            /**
             * Deliver Secrets
             * @description Deliver your personal secrets to it at once; its former owner's programs can read them.
             * @default false
             */
            deliver_secrets: boolean;
        };
        /**
         * Access
         * @description How much of what is shared may be done.
         * @enum {string}
         */
        Access: "viewer" | "editor";
        /**
         * AdviceAnswer
         * @description Advice about the size of a workspace.
         */
        AdviceAnswer: {
            /**
             * Confidence
             * @description 0 to 1, by the time for which it was seen running.
             */
            confidence: number;
            cpu: components["schemas"]["AdvicePartAnswer"];
            memory: components["schemas"]["AdvicePartAnswer"];
            /**
             * Messages
             * @description The reasons in English.
             */
            messages: string[];
            /**
             * Needs Restart
             * @description Whether following it restarts the workspace.
             */
            needs_restart: boolean;
            /** Reasons */
            reasons: components["schemas"]["SentenceAnswer"][];
            /**
             * Saving
             * @description Millionths of the price book's currency that it saves an hour; null where there are no prices.
             */
            saving: number | null;
            /**
             * Since
             * @description Since when its use is known.
             */
            since: string | null;
            /**
             * State
             * @description too_early: it has not run for an hour; fits; change: another size is advised.
             */
            state: string;
            /**
             * Version
             * @description Its entity tag, for If-Match.
             */
            version: string;
        };
        /**
         * AdvicePartAnswer
         * @description A part of a size: as chosen, and as advised.
         */
        AdvicePartAnswer: {
            /** Advised */
            advised: number;
            /** Now */
            now: number;
        };
        /**
         * AliveAnswer
         * @description The service answers.
         */
        AliveAnswer: {
            /**
             * Status
             * @default ok
             */
            status: string;
        };
        /**
         * AmountsAnswer
         * @description Amounts; null is no bound.
         */
        AmountsAnswer: {
            /** Cpu */
            cpu: number | null;
            /** Memory */
            memory: number | null;
            /** Running */
            running: number | null;
            /** Storage */
            storage: number | null;
            /** Workspaces */
            workspaces: number | null;
        };
        /**
         * ApprovalRequest
         * @description How a proposal is approved.
         */
        ApprovalRequest: {
            /** @description Go to this mode with it, such as locked after learning; null: as it is. */
            mode?: components["schemas"]["NetworkMode"] | null;
            /**
             * Ttl
             * @description For how long, such as 1h; null: for good.
             */
            ttl?: string | null;
        };
        /**
         * AssertionRequest
         * @description The answer of ``navigator.credentials.get``.
         */
        AssertionRequest: {
            /** Authenticator Data */
            authenticator_data: string;
            /**
             * Client Data
             * @description clientDataJSON
             */
            client_data: string;
            /** Credential Id */
            credential_id: string;
            /** Signature */
            signature: string;
            /** User Handle */
            user_handle: string;
        };
        /**
         * AtLimit
         * @description The consequence of a budget that is used up.
         * @enum {string}
         */
        AtLimit: "notify" | "no_new" | "stop";
        /**
         * AttestationRequest
         * @description The answer of ``navigator.credentials.create``.
         */
        AttestationRequest: {
            /** Attestation Object */
            attestation_object: string;
            /**
             * Client Data
             * @description clientDataJSON
             */
            client_data: string;
            /** Credential Id */
            credential_id: string;
        };
        /**
         * AuditEntryAnswer
         * @description One audit entry.
         */
        AuditEntryAnswer: {
            /** Action */
            action: string;
            /**
             * Actor
             * @description Id of who did it; system for what the service did by itself.
             */
            actor: string;
            /** Address */
            address: string;
            /**
             * After
             * @description Values after a change; secrets are masked.
             */
            after: {
                [key: string]: unknown;
            } | null;
            /**
             * At
             * Format: date-time
             */
            at: string;
            /**
             * Before
             * @description Values before a change; secrets are masked.
             */
            before: {
                [key: string]: unknown;
            } | null;
            /**
             * Chain
             * @description How the actor came: ids of session, token, share; the nearest last.
             */
            chain: string[];
            /** Detail */
            detail: {
                [key: string]: unknown;
            } | null;
            /**
             * Kind
             * @description change, access, refusal, use, system or record: how long its body is kept.
             */
            kind: string;
            /**
             * Outcome
             * @description accepted, or the code of the refusal.
             */
            outcome: string;
            /** Request Id */
            request_id: string;
            /**
             * Seq
             * @description Its number; there are no gaps.
             */
            seq: number;
            /**
             * Target
             * @description The object besides the workspace; empty if there is none.
             */
            target: string;
            /** Workspace Id */
            workspace_id: string;
        };
        /**
         * AuditEntryDetail
         * @description One entry as it stands in the tree: its leaf is the hash of this object's canonical JSON (RFC 8785).
         */
        AuditEntryDetail: {
            /** Entry */
            entry: {
                [key: string]: unknown;
            };
        };
        /**
         * AuditList
         * @description Entries, newest first.
         */
        AuditList: {
            /** Entries */
            entries: components["schemas"]["AuditEntryAnswer"][];
            /** Next Cursor */
            next_cursor: string | null;
            /**
             * Size
             * @description Entries of the whole log, those whose bodies are gone included.
             */
            size: number;
            verified: components["schemas"]["AuditVerified"];
        };
        /**
         * AuditVerified
         * @description How far the service itself has verified its log.
         */
        AuditVerified: {
            /**
             * At
             * @description When; null before the first time.
             */
            at: string | null;
            /**
             * First Bad
             * @description The first bad entry; null if there is none.
             */
            first_bad: number | null;
            /**
             * Flaw
             * @description Its disagreement; empty if there is none.
             */
            flaw: string;
            /** Size */
            size: number;
        };
        /**
         * AutoscaleAnswer
         * @description How a workspace changes size by itself.
         */
        AutoscaleAnswer: {
            /** @description The boost that is in force. */
            boost: components["schemas"]["BoostAnswer"] | null;
            /** @description The size that was chosen, to which it comes back. */
            chosen: components["schemas"]["SizeAnswer"];
            /**
             * Decisions
             * @description The last 50, newest first; kept for 30 days.
             */
            decisions: components["schemas"]["ScalingDecisionAnswer"][];
            /**
             * Down Within
             * @description Seconds from the largest size to the smallest at most, once it needs nothing.
             */
            down_within: number | null;
            /** @description null: it does not change by itself. */
            policy: components["schemas"]["AutoscalePolicyAnswer"] | null;
            /** @description The size that it has. */
            size: components["schemas"]["SizeAnswer"];
        };
        /**
         * AutoscalePolicyAnswer
         * @description Between which sizes a workspace changes by itself.
         */
        AutoscalePolicyAnswer: {
            cpu: components["schemas"]["RangeAnswer"];
            /**
             * Down After
             * @description Seconds for which it must have needed less before it is made smaller.
             */
            down_after: number;
            memory: components["schemas"]["RangeAnswer"];
        };
        /**
         * AutoscaleRequest
         * @description Between which sizes a workspace changes by itself.
         */
        AutoscaleRequest: {
            cpu: components["schemas"]["CoresRange"];
            /**
             * Down After
             * @description How long it must have needed less before it is made smaller: 10s to 1d.
             * @default 10m
             * @example 10m
             * @example 1h
             */
            down_after: string;
            memory: components["schemas"]["MemoryRange"];
        };
        /**
         * BoostAnswer
         * @description A larger size for a while; null: that part stays as it is.
         */
        BoostAnswer: {
            /**
             * By
             * @description Id of the user who asked for it.
             */
            by: string;
            /** Cpu */
            cpu: number | null;
            /** Memory */
            memory: number | null;
            /**
             * Until
             * Format: date-time
             */
            until: string;
        };
        /**
         * BoostRequest
         * @description A larger size for a while; what is left out stays as it is.
         */
        BoostRequest: {
            /**
             * Cpu
             * @description Cores; fractions from 0.25.
             */
            cpu?: number;
            /**
             * For
             * @description How long: 10s to 7d.
             * @example 10m
             * @example 1h
             */
            for: string;
            /**
             * Memory
             * @description GB of memory; fractions from 0.25, kept in whole MiB.
             */
            memory?: number;
        };
        /**
         * BudgetAnswer
         * @description A budget beside what of it is spent in this month.
         */
        BudgetAnswer: {
            /** Amount */
            amount: string;
            at_limit: components["schemas"]["AtLimit"];
            kind: components["schemas"]["BudgetSubject"];
            /** Name */
            name: string;
            /** Percent */
            percent: number;
            /**
             * Reached
             * @description It was used up in this month, so that at_limit is in force.
             */
            reached: boolean;
            /** Spent */
            spent: string;
            /**
             * Subject
             * @description user:, group: or workspace: and the id.
             * @example user:usr-3f8k2m9q1x7c
             */
            subject: string;
            /** Thresholds */
            thresholds: number[];
        };
        /**
         * BudgetList
         * @description Budgets.
         */
        BudgetList: {
            /** Budgets */
            budgets: components["schemas"]["BudgetAnswer"][];
            /**
             * Currency
             * @description Of the price book; empty where there are no prices.
             */
            currency: string;
        };
        /**
         * BudgetRequest
         * @description A budget for each calendar month, in UTC.
         */
        BudgetRequest: {
            /**
             * Amount
             * @example 12.50
             */
            amount: string;
            /**
             * @description notify: it is only told; no_new: nothing is created or started; stop: what runs is shut down besides, after a warning.
             * @default notify
             */
            at_limit: components["schemas"]["AtLimit"];
            /**
             * Thresholds
             * @description Percents that are told, each once a month; 50, 80, 100.
             */
            thresholds?: number[];
        };
        /**
         * BudgetSubject
         * @description The kind of subject that has a budget.
         * @enum {string}
         */
        BudgetSubject: "user" | "group" | "workspace";
        /**
         * CapacityAnswer
         * @description The machine's resources, in all and free for new workspaces.
         */
        CapacityAnswer: {
            /**
             * Cpu Committed
             * @description Cores that running workspaces may use together: more than there are is over-commitment.
             */
            cpu_committed: number;
            /**
             * Cpu Free
             * @description Cores that no running workspace may use; more may be asked for, and shared.
             */
            cpu_free: number;
            /** Cpu Total */
            cpu_total: number;
            /**
             * Memory Committed
             * @description Memory that running workspaces may use together.
             */
            memory_committed: number;
            /**
             * Memory Free
             * @description Memory that no running workspace may use; more may be asked for.
             */
            memory_free: number;
            /** Memory Total */
            memory_total: number;
            /** Storage Free */
            storage_free: number;
            /** Storage Total */
            storage_total: number;
        };
        /**
         * CertificateAnswer
         * @description A certificate for the SSH gateway.
         */
        CertificateAnswer: {
            /**
             * Certificate
             * @description One line, for a file that ends in -cert.pub.
             */
            certificate: string;
            /**
             * Expires At
             * Format: date-time
             */
            expires_at: string;
        };
        /**
         * CertificateRequest
         * @description A public key to be certified.
         */
        CertificateRequest: {
            /**
             * Public Key
             * @description One line, as in a file that ends in .pub: type, key in base64, comment. No options.
             */
            public_key: string;
            /**
             * Valid For
             * @description Hours, from 1 to 12.
             * @default 12
             */
            valid_for: number;
        };
        /**
         * ChainLink
         * @description A token or session that a token comes from; it may have ended.
         */
        ChainLink: {
            /** Id */
            id: string;
            /**
             * Kind
             * @enum {string}
             */
            kind: "api" | "session";
            /** Name */
            name: string;
        };
        /**
         * CheckAnswer
         * @description One line of the specification's section "Troubleshooting", and what was found.
         */
        CheckAnswer: {
            line: components["schemas"]["Line"];
            /** @description good, bad, or unknown where it could not be looked at. */
            outcome: components["schemas"]["Outcome"];
            /** @description The finding by its code; the code of a bad one stands for its remedy too. */
            said: components["schemas"]["SentenceAnswer"];
            /** Sentence */
            sentence: string;
            /** Title */
            title: string;
        };
        /**
         * CheckpointAnswer
         * @description A signed checkpoint.
         */
        CheckpointAnswer: {
            /**
             * At
             * Format: date-time
             */
            at: string;
            /**
             * Key
             * @description The public key it is signed with: NAME+ID+KEY. Compare it with the one written down.
             */
            key: string;
            /**
             * Note
             * @description The signed note: origin, size, root in base64, empty line, signature (C2SP).
             */
            note: string;
            /** Size */
            size: number;
            /**
             * Witnessed Size
             * @description Entries that the witness knows of; null if it knows none.
             */
            witnessed_size: number | null;
        };
        /**
         * CloneState
         * @description How far a repository has got.
         * @enum {string}
         */
        CloneState: "waiting" | "cloning" | "done" | "failed";
        /**
         * CollectedAnswer
         * @description The space that collecting garbage freed.
         */
        CollectedAnswer: {
            /** Freed Bytes */
            freed_bytes: number;
        };
        /**
         * ConfigAnswer
         * @description The requested resources and environment.
         */
        ConfigAnswer: {
            /** Cpu */
            cpu: number;
            /** Memory */
            memory: number;
            /** Packages */
            packages: string[];
            /** Ports */
            ports: number[];
            /** Storage */
            storage: number;
            /** Template */
            template: string;
        };
        /**
         * ConnectAnswer
         * @description The way to connect an account.
         */
        ConnectAnswer: {
            /**
             * Url
             * @description Address of the provider, for this very browser to go to within ten minutes.
             */
            url: string;
        };
        /**
         * ConnectivityAnswer
         * @description Whether and how fast a running workspace is reached.
         */
        ConnectivityAnswer: {
            /** @description The mode of its network that is in force. */
            egress_mode: components["schemas"]["NetworkMode"];
            /**
             * Last Checked
             * Format: date-time
             */
            last_checked: string;
            /**
             * Latency Ms
             * @description Time of one question to it and back; null where it does not answer.
             */
            latency_ms: number | null;
            /**
             * Sshd
             * @description Its sshd lets the service in and answers.
             */
            sshd: boolean;
        };
        /**
         * ConsistencyAnswer
         * @description A proof that the larger tree begins with the smaller one (RFC 6962, section 2.1.2).
         */
        ConsistencyAnswer: {
            /** First */
            first: number;
            /**
             * Path
             * @description The hashes, 32 bytes each, one after another, base64.
             */
            path: string;
            /** Second */
            second: number;
        };
        /**
         * CoresRange
         * @description The fewest and the most cores.
         */
        CoresRange: {
            /**
             * Max
             * @description Cores; fractions from 0.25.
             */
            max: number;
            /**
             * Min
             * @description Cores; fractions from 0.25.
             */
            min: number;
        };
        /**
         * CostItem
         * @description The costs of what agrees in the properties that were asked for; the others are null.
         */
        CostItem: {
            /**
             * Cpu Cost
             * @description With six places.
             * @example 12.500000
             */
            cpu_cost: string;
            /**
             * Day
             * @example 2026-11-29
             */
            day: string | null;
            /** Group */
            group: string | null;
            /**
             * Group Id
             * @description Empty: of owners in no group. A workspace counts in each of them.
             */
            group_id: string | null;
            /**
             * Idle Cost
             * @description Its share of what was idle.
             * @example 12.500000
             */
            idle_cost: string;
            /**
             * Memory Cost
             * @description With six places.
             * @example 12.500000
             */
            memory_cost: string;
            /**
             * Network Cost
             * @description With six places.
             * @example 12.500000
             */
            network_cost: string;
            /** Owner */
            owner: string | null;
            /** Owner Id */
            owner_id: string | null;
            /**
             * Snapshot Cost
             * @description With six places.
             * @example 12.500000
             */
            snapshot_cost: string;
            /**
             * Storage Cost
             * @description With six places.
             * @example 12.500000
             */
            storage_cost: string;
            /** Template */
            template: string | null;
            /**
             * Total Cost
             * @description With six places.
             * @example 12.500000
             */
            total_cost: string;
            /**
             * Total Efficiency
             * @description Part of the reserved CPU and memory that was used.
             */
            total_efficiency: number | null;
            usage: components["schemas"]["UsageAnswer"];
            /**
             * Workspace
             * @description Its name; the id where there is none any more.
             */
            workspace: string | null;
            /** Workspace Id */
            workspace_id: string | null;
        };
        /**
         * CostsAnswer
         * @description Costs.
         */
        CostsAnswer: {
            /**
             * Begin
             * Format: date-time
             */
            begin: string;
            /**
             * Currency
             * @description Empty where there are no prices: only usage is told then.
             */
            currency: string;
            /**
             * End
             * Format: date-time
             * @description Exclusive; the items reach up to now.
             */
            end: string;
            forecast: components["schemas"]["ForecastAnswer"];
            /**
             * Idle Cost
             * @description Null where it was not asked for, or is not the caller's to see.
             */
            idle_cost: string | null;
            /**
             * Items
             * @description The dearest first.
             */
            items: components["schemas"]["CostItem"][];
            /**
             * Month So Far
             * @description With six places.
             * @example 12.500000
             */
            month_so_far: string;
            /**
             * Now Per Hour
             * @description With six places.
             * @example 12.500000
             */
            now_per_hour: string;
            total: components["schemas"]["CostItem"];
        };
        /**
         * CountAnswer
         * @description The number of names that were made or deleted.
         */
        CountAnswer: {
            /** Count */
            count: number;
        };
        /**
         * CreateRequest
         * @description A workspace to be made.
         */
        CreateRequest: {
            /**
             * Allow
             * @description What it may reach in the modes balanced and locked: at most 256 entries.
             */
            allow?: components["schemas"]["EntryRequest"][];
            /**
             * Cpu
             * @description Cores; fractions from 0.25.
             * @default 1
             */
            cpu: number;
            /** @description A repository that is cloned into it once it runs; brings the package git. */
            git?: components["schemas"]["GitRequest"];
            /**
             * Memory
             * @description GB of memory; fractions from 0.25, kept in whole MiB.
             * @default 2
             */
            memory: number;
            /**
             * Name
             * @description Unique; becomes the host name.
             */
            name: string;
            /** @description What it may reach; left out: as the administrator has set it. */
            network?: components["schemas"]["NetworkMode"];
            /**
             * Packages
             * @description Order and duplicates do not matter.
             */
            packages?: string[];
            /**
             * Ports
             * @description TCP ports that the workspace's own firewall opens besides 22.
             */
            ports?: number[];
            /**
             * Storage
             * @description GB of storage; fractions from 0.25, kept in whole MiB.
             * @default 10
             */
            storage: number;
            /**
             * Template
             * @default development
             */
            template: string;
        };
        /**
         * CutReason
         * @description Why a recording ends before its terminal.
         * @enum {string}
         */
        CutReason: "" | "turned_off" | "not_stored" | "terminal_gone";
        /**
         * DeniedAnswer
         * @description Connections that were refused, equal ones counted.
         */
        DeniedAnswer: {
            /**
             * Address
             * @description Empty where the name alone was refused.
             */
            address: string;
            /**
             * At
             * Format: date-time
             * @description When the last of them began.
             */
            at: string;
            /** Count */
            count: number;
            /**
             * Name
             * @description The name that was asked for; null where the address came from elsewhere.
             */
            name: string | null;
            /**
             * Port
             * @description 0 where the protocol has none.
             */
            port: number;
            /**
             * Program
             * @description The program's name; null where it could not be told.
             */
            program: string | null;
            /** Protocol */
            protocol: string;
        };
        /**
         * DeniedList
         * @description Refused connections, oldest first: as far as the engine remembers.
         */
        DeniedList: {
            /** Denied */
            denied: components["schemas"]["DeniedAnswer"][];
        };
        /**
         * Desire
         * @description The state that was asked for last; the reconciler works towards it.
         * @enum {string}
         */
        Desire: "running" | "paused" | "stopped" | "deleted";
        /**
         * DeviceAnswer
         * @description The codes of a program that waits (RFC 8628, section 3.2).
         */
        DeviceAnswer: {
            /**
             * Device Code
             * @description The program's secret.
             */
            device_code: string;
            /**
             * Expires In
             * @description Seconds.
             */
            expires_in: number;
            /**
             * Interval
             * @description Seconds between two questions.
             */
            interval: number;
            /**
             * User Code
             * @description Shown to the user, who confirms it in a browser.
             */
            user_code: string;
            /** Verification Uri */
            verification_uri: string;
            /** Verification Uri Complete */
            verification_uri_complete: string;
        };
        /**
         * DeviceConfirmation
         * @description The answer to a program that waits.
         */
        DeviceConfirmation: {
            /** Approve */
            approve: boolean;
        };
        /**
         * DeviceDetail
         * @description A program that waits to be confirmed.
         */
        DeviceDetail: {
            /** Address */
            address: string;
            /**
             * Expires In
             * @description Seconds until the code is too old.
             */
            expires_in: number;
            /** Name */
            name: string;
            /** Scopes */
            scopes: string[] | null;
            /** User Code */
            user_code: string;
            /** Workspaces */
            workspaces: string[] | null;
        };
        /**
         * DeviceRequest
         * @description A program that asks to be signed in (RFC 8628, section 3.1), and what its token is to be.
         */
        DeviceRequest: {
            /**
             * Expires In
             * @default 90d
             * @example 10m
             * @example 1h
             */
            expires_in: string;
            /**
             * Name
             * @description Becomes the name of its token: program and host.
             */
            name: string;
            /**
             * Never Expires
             * @description Only for administrators.
             * @default false
             */
            never_expires: boolean;
            /**
             * Scopes
             * @description null: all that the credential that it is made with may do.
             */
            scopes?: ("workspaces:read" | "workspaces:write" | "terminals:attach" | "files:read" | "files:write" | "network" | "secrets" | "audit:read" | "metrics:read" | "admin")[] | null;
            /**
             * Workspaces
             * @description Ids of the only workspaces that it reaches; null: all that its user reaches.
             */
            workspaces?: string[] | null;
        };
        /**
         * DeviceTokenRequest
         * @description The question of a program that waits.
         */
        DeviceTokenRequest: {
            /** Device Code */
            device_code: string;
        };
        /**
         * DifferenceAnswer
         * @description How one generation differs from another.
         */
        DifferenceAnswer: {
            /** Added */
            added: components["schemas"]["PartAnswer"][];
            /**
             * Bytes Added
             * @description Size of all paths that only the second has, as archives.
             */
            bytes_added: number;
            /** Bytes Removed */
            bytes_removed: number;
            /**
             * Changed
             * @description Other versions.
             */
            changed: components["schemas"]["PartAnswer"][];
            /** First */
            first: number;
            /**
             * Rebuilt
             * @description The same versions out of another build: configuration, as a rule.
             */
            rebuilt: components["schemas"]["PartAnswer"][];
            /** Removed */
            removed: components["schemas"]["PartAnswer"][];
            /** Second */
            second: number;
            units: components["schemas"]["UnitsAnswer"];
        };
        /**
         * DotfilesAnswer
         * @description The repository of a person's dotfiles.
         */
        DotfilesAnswer: {
            /**
             * Ref
             * @description Empty: the default branch.
             */
            ref: string;
            /**
             * Script
             * @description Empty: the first of the usual names that is there.
             */
            script: string;
            /** Url */
            url: string;
        };
        /**
         * DotfilesSetting
         * @description The repository of a person's dotfiles.
         */
        DotfilesSetting: {
            /**
             * Ref
             * @description A branch, a tag or a commit; without one the repository's default branch.
             */
            ref?: string;
            /**
             * Script
             * @description The program in it that is run; without one install.sh, install, bootstrap.sh, bootstrap, setup.sh, setup, script/bootstrap or script/setup, and where there is none its dotfiles are linked.
             */
            script?: string;
            /**
             * Url
             * @description https, http, ssh or USER@HOST:PATH, without a password: that is a secret of the kind git.
             */
            url: string;
        };
        /**
         * EntryAnswer
         * @description A name or a range of addresses; the other of the two is null.
         */
        EntryAnswer: {
            /** Cidr */
            cidr: string | null;
            /**
             * Expires At
             * @description When it ends; null: never.
             */
            expires_at: string | null;
            /** Name */
            name: string | null;
            /**
             * Ports
             * @description A port each, or a range such as 8000-8999; empty: all.
             */
            ports: (number | string)[];
        };
        /**
         * EntryRequest
         * @description A name or a range of addresses; give exactly one of the two.
         */
        EntryRequest: {
            /**
             * Cidr
             * @description An address, or a range such as 192.0.2.0/24.
             */
            cidr?: string;
            /**
             * Expires At
             * @description When it ends; null: never.
             */
            expires_at?: string | null;
            /**
             * Name
             * @description A host name, or *. and the name above all that are meant.
             */
            name?: string;
            /**
             * Ports
             * @description Empty: all.
             */
            ports?: (number | string)[];
        };
        /**
         * ErrorAnswer
         * @description The shape of every error.
         */
        ErrorAnswer: {
            error: components["schemas"]["ErrorDetail"];
        };
        /**
         * ErrorDetail
         * @description An error with its stable code.
         */
        ErrorDetail: {
            /**
             * Code
             * @description Stable, for programs.
             */
            code: string;
            /**
             * Field
             * @description The one input that is to blame, if one is.
             */
            field: string | null;
            /**
             * Message
             * @description The fact and what to do, for people.
             */
            message: string;
            /**
             * Request Id
             * @description Stands in the service's log too.
             */
            request_id: string;
            /**
             * @description The message by its code, where it has one: a page says it in its language.
             * @default null
             */
            said: components["schemas"]["SentenceAnswer"] | null;
        };
        /**
         * EstimateAnswer
         * @description An estimate.
         */
        EstimateAnswer: {
            estimate: components["schemas"]["EstimateDetail"];
        };
        /**
         * EstimateDetail
         * @description The costs of an hour and of a month of 730 hours, from using nothing to using all that it may.
         */
        EstimateDetail: {
            /**
             * Currency
             * @description Empty where there are no prices.
             */
            currency: string;
            /**
             * Hour Busy
             * @description With six places.
             * @example 12.500000
             */
            hour_busy: string;
            /**
             * Hour Idle
             * @description With six places.
             * @example 12.500000
             */
            hour_idle: string;
            /**
             * Hour Stopped
             * @description With six places.
             * @example 12.500000
             */
            hour_stopped: string;
            /**
             * Month Busy
             * @description With six places.
             * @example 12.500000
             */
            month_busy: string;
            /**
             * Month Idle
             * @description With six places.
             * @example 12.500000
             */
            month_idle: string;
            /**
             * Month Stopped
             * @description With six places.
             * @example 12.500000
             */
            month_stopped: string;
        };
        /**
         * EstimateRequest
         * @description A workspace that is not made: as it is given to create it, with or without its name.
         */
        EstimateRequest: {
            /**
             * Allow
             * @description What it may reach in the modes balanced and locked: at most 256 entries.
             */
            allow?: components["schemas"]["EntryRequest"][];
            /**
             * Cpu
             * @description Cores; fractions from 0.25.
             * @default 1
             */
            cpu: number;
            /** @description A repository that is cloned into it once it runs; brings the package git. */
            git?: components["schemas"]["GitRequest"];
            /**
             * Memory
             * @description GB of memory; fractions from 0.25, kept in whole MiB.
             * @default 2
             */
            memory: number;
            /**
             * Name
             * @description Unique; becomes the host name.
             */
            name?: string;
            /** @description What it may reach; left out: as the administrator has set it. */
            network?: components["schemas"]["NetworkMode"];
            /**
             * Packages
             * @description Order and duplicates do not matter.
             */
            packages?: string[];
            /**
             * Ports
             * @description TCP ports that the workspace's own firewall opens besides 22.
             */
            ports?: number[];
            /**
             * Storage
             * @description GB of storage; fractions from 0.25, kept in whole MiB.
             * @default 10
             */
            storage: number;
            /**
             * Template
             * @default development
             */
            template: string;
        };
        /**
         * EvidenceAnswer
         * @description One observation.
         */
        EvidenceAnswer: {
            /** @description The finding by its code; the code of a bad one stands for its remedy too. */
            said: components["schemas"]["SentenceAnswer"];
            /** Sentence */
            sentence: string;
        };
        /**
         * FaultAnswer
         * @description The cause of a workspace's ``error``, or its last failure.
         */
        FaultAnswer: {
            /**
             * At
             * Format: date-time
             */
            at: string;
            /** Code */
            code: string;
            /** Message */
            message: string;
            /** @description The message by its code, where it has one. */
            said?: components["schemas"]["SentenceAnswer"] | null;
        };
        /**
         * FileAnswer
         * @description One file, directory, link or other name.
         */
        FileAnswer: {
            /** Gid */
            gid: number;
            /** Link Target */
            link_target: string | null;
            /** Mode */
            mode: string;
            /**
             * Modified
             * Format: date-time
             */
            modified: string;
            /** Name */
            name: string;
            /** Owner */
            owner: string | null;
            /** Path */
            path: string;
            /** Size */
            size: number;
            /**
             * Type
             * @enum {string}
             */
            type: "file" | "directory" | "link" | "other";
            /** Uid */
            uid: number;
        };
        /**
         * FileList
         * @description A part of a listing.
         */
        FileList: {
            /** Files */
            files: components["schemas"]["FileAnswer"][];
            /** Next Cursor */
            next_cursor: string | null;
            /** Path */
            path: string;
            /** Total */
            total: number;
        };
        /**
         * FileProblem
         * @description Why one file of an upload was not written.
         */
        FileProblem: {
            /** Code */
            code: string;
            /** Message */
            message: string;
        };
        /**
         * FloorAnswer
         * @description The most that any workspace may reach, as the administrator has set it.
         */
        FloorAnswer: {
            /** Allow */
            allow: components["schemas"]["EntryAnswer"][];
            /**
             * Deny
             * @description Denied to all workspaces.
             */
            deny: components["schemas"]["EntryAnswer"][];
            /** @description open: there is no bound but deny. */
            mode: components["schemas"]["NetworkMode"];
            /**
             * Reason
             * @description In the administrator's words; may be empty.
             */
            reason: string;
        };
        /**
         * ForecastAnswer
         * @description The costs of this month at its end: nine of ten such months lie between low and high.
         */
        ForecastAnswer: {
            /**
             * Expected
             * @description With six places.
             * @example 12.500000
             */
            expected: string;
            /**
             * High
             * @description With six places.
             * @example 12.500000
             */
            high: string;
            /**
             * Low
             * @description With six places.
             * @example 12.500000
             */
            low: string;
        };
        /**
         * FoundList
         * @description The result of a search.
         */
        FoundList: {
            /** Complete */
            complete: boolean;
            /** Files */
            files: components["schemas"]["FileAnswer"][];
            /** Path */
            path: string;
        };
        /**
         * FoundRecording
         * @description A recording, with the lines that were sought.
         */
        FoundRecording: {
            /** Lines */
            lines: components["schemas"]["RecordedLineInfo"][];
            recording: components["schemas"]["RecordingInfo"];
        };
        /**
         * GenerationAnswer
         * @description One built version of a workspace's environment.
         */
        GenerationAnswer: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Current
             * @description It boots next, or has booted.
             */
            current: boolean;
            /** Number */
            number: number;
            /** Packages */
            packages: string[];
            /** Ports */
            ports: number[];
            /** Template */
            template: string;
            /** Toplevel */
            toplevel: string;
        };
        /**
         * GenerationList
         * @description Every generation of a workspace that can be rebuilt to, newest first.
         */
        GenerationList: {
            /** Generations */
            generations: components["schemas"]["GenerationAnswer"][];
        };
        /**
         * GitRequest
         * @description A repository to be cloned into a workspace.
         */
        GitRequest: {
            /**
             * Directory
             * @description Below the home directory; without one the repository's name.
             */
            directory?: string;
            /**
             * Ref
             * @description A branch, a tag or a commit; without one the repository's default branch.
             */
            ref?: string;
            /**
             * Url
             * @description https, http, ssh or USER@HOST:PATH, without a password: that is a secret of the kind git.
             */
            url: string;
        };
        /**
         * GroupAnswer
         * @description A group.
         */
        GroupAnswer: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Id */
            id: string;
            /**
             * Members
             * @description Ids of users.
             */
            members: string[];
            /** Name */
            name: string;
        };
        /**
         * GroupDetail
         * @description One group.
         */
        GroupDetail: {
            group: components["schemas"]["GroupAnswer"];
        };
        /**
         * GroupList
         * @description All groups, by their names.
         */
        GroupList: {
            /** Groups */
            groups: components["schemas"]["GroupAnswer"][];
        };
        /**
         * GroupRequest
         * @description A new group.
         */
        GroupRequest: {
            /**
             * Name
             * @description Unique and for ever.
             */
            name: string;
        };
        /**
         * GuestRequest
         * @description A link, and the name of somebody without an account.
         */
        GuestRequest: {
            /** Name */
            name: string;
            /**
             * Secret
             * @description What follows # in the link.
             */
            secret: string;
        };
        /**
         * HealthAnswer
         * @description Every finding about the service, with remedies for the bad ones.
         */
        HealthAnswer: {
            /** @description null while the engine does not answer. */
            capacity: components["schemas"]["CapacityAnswer"] | null;
            /** Items */
            items: components["schemas"]["HealthItemAnswer"][];
            /** Package Set */
            package_set: string;
            /**
             * Response Times
             * @description Of each route that was asked lately, until its answer began; slowest first.
             */
            response_times: components["schemas"]["ResponseTimeAnswer"][];
            /**
             * Status
             * @description ok, or degraded when any item is not ok.
             */
            status: string;
            /** Version */
            version: string;
        };
        /**
         * HealthItemAnswer
         * @description One finding about the service.
         */
        HealthItemAnswer: {
            /** Code */
            code: string;
            /** Message */
            message: string;
            /** Ok */
            ok: boolean;
            /** Remedy */
            remedy: string;
            /** @description The finding by its code; the code of a bad one stands for its remedy too. */
            said: components["schemas"]["SentenceAnswer"];
            /** @description ok, notice (still ok), warning or critical. */
            severity: components["schemas"]["Severity"];
        };
        /**
         * HoldAnswer
         * @description A hold that is in force.
         */
        HoldAnswer: {
            /**
             * By
             * @description The id of who asked for it.
             */
            by: string;
            /** Reason */
            reason: string;
            /**
             * Until
             * Format: date-time
             */
            until: string;
        };
        /**
         * HoldRequest
         * @description A request that a workspace be left running.
         */
        HoldRequest: {
            /**
             * For
             * @example 10m
             * @example 1h
             */
            for: string;
            /**
             * Reason
             * @default
             */
            reason: string;
        };
        /**
         * IdentityAnswer
         * @description An account at an OpenID provider that signs the caller in.
         */
        IdentityAnswer: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Id */
            id: string;
            /** Issuer */
            issuer: string;
            /**
             * Subject
             * @description The provider's own name of the account.
             */
            subject: string;
            /**
             * Used At
             * @description Of the last sign-in.
             */
            used_at: string | null;
        };
        /**
         * IdentityList
         * @description The caller's accounts.
         */
        IdentityList: {
            /** Identities */
            identities: components["schemas"]["IdentityAnswer"][];
        };
        /**
         * IdleAnswer
         * @description The rest of one workspace.
         */
        IdleAnswer: {
            idle: components["schemas"]["IdleDetail"];
        };
        /**
         * IdleDetail
         * @description The rest of a workspace, and why it is awake.
         */
        IdleDetail: {
            /**
             * Because
             * @description The evidence of work; while it is quiet, that of the last work.
             */
            because: components["schemas"]["SentenceAnswer"][];
            hold: components["schemas"]["HoldAnswer"] | null;
            /** @description What uses the most while nothing works. */
            most: components["schemas"]["SentenceAnswer"] | null;
            next: components["schemas"]["NextRest"] | null;
            /**
             * Own
             * @description It has a policy of its own; false: that of the service's settings.
             */
            own: boolean;
            policy: components["schemas"]["IdlePolicyAnswer"];
            /**
             * Since
             * @description Nothing has worked since then; null unless it is quiet.
             */
            since: string | null;
            state: components["schemas"]["IdleState"];
        };
        /**
         * IdlePolicyAnswer
         * @description When a workspace rests.
         */
        IdlePolicyAnswer: {
            /**
             * Cpu Percent
             * @description A unit that uses more of one core works.
             */
            cpu_percent: number;
            /**
             * Io Kb
             * @description Kilobytes a second over its network, or of a unit's disks: more is work.
             */
            io_kb: number;
            /**
             * Pause After
             * @description As 10m; null: never.
             */
            pause_after: string | null;
            quiet: components["schemas"]["QuietAnswer"] | null;
            /** Stop After */
            stop_after: string | null;
            /** Timer Within */
            timer_within: string;
            /** Units */
            units: string[];
            /** Warn */
            warn: string;
        };
        /**
         * IdleRequest
         * @description When a workspace rests.
         */
        IdleRequest: {
            /**
             * Cpu Percent
             * @default 1.5
             */
            cpu_percent: number;
            /**
             * Io Kb
             * @default 20
             */
            io_kb: number;
            /**
             * Pause After
             * @description Nothing works for so long: it is paused, its memory kept; null: never.
             */
            pause_after?: string | null;
            quiet?: components["schemas"]["QuietRequest"] | null;
            /**
             * Stop After
             * @description It is stopped; counted from the same moment as pause_after. null: never.
             */
            stop_after?: string | null;
            /**
             * Timer Within
             * @description A timer that is due so soon counts as work.
             * @default 10m
             * @example 10m
             * @example 1h
             */
            timer_within: string;
            /**
             * Units
             * @description Units, with * and ?, that count as work as long as they have processes.
             */
            units?: string[];
            /**
             * Warn
             * @description So long before, it is told.
             * @default 5m
             * @example 10m
             * @example 1h
             */
            warn: string;
        };
        /**
         * IdleState
         * @description Whether anything works in a workspace.
         * @enum {string}
         */
        IdleState: "off" | "unseen" | "working" | "quiet" | "held";
        /**
         * JoinAnswer
         * @description Something that was shared by a link.
         */
        JoinAnswer: {
            access: components["schemas"]["Access"];
            /** Expires At */
            expires_at: string | null;
            /** Part */
            part: string;
            /** @description waiting: the owner is asked; ask again with the same link. */
            state: components["schemas"]["ShareState"];
            /** Workspace Id */
            workspace_id: string;
            /** Workspace Name */
            workspace_name: string;
        };
        /**
         * JoinRequest
         * @description A link that the caller has.
         */
        JoinRequest: {
            /**
             * Secret
             * @description What follows # in the link.
             */
            secret: string;
        };
        /**
         * JournalAnswer
         * @description The end of a running workspace's journal, oldest entry first.
         */
        JournalAnswer: {
            /** Entries */
            entries: components["schemas"]["JournalEntryAnswer"][];
        };
        /**
         * JournalEntryAnswer
         * @description One entry of the journal of a running workspace.
         */
        JournalEntryAnswer: {
            /**
             * At
             * Format: date-time
             */
            at: string;
            level: components["schemas"]["JournalLevel"];
            /** Program */
            program: string;
            /** Text */
            text: string;
            /**
             * Unit
             * @description The systemd unit that it is about; empty for none.
             */
            unit: string;
        };
        /**
         * JournalLevel
         * @description The urgency of a journal entry, most urgent first (syslog(3)).
         * @enum {string}
         */
        JournalLevel: "emerg" | "alert" | "crit" | "err" | "warning" | "notice" | "info" | "debug";
        /**
         * LayoutAnswer
         * @description The caller's layout.
         */
        LayoutAnswer: {
            layout: components["schemas"]["TerminalLayout"];
            /**
             * Version
             * @description 0 where there is none.
             */
            version: number;
        };
        /**
         * LayoutChange
         * @description Another layout in the place of the one with this version.
         */
        LayoutChange: {
            layout: components["schemas"]["TerminalLayout"];
            /**
             * Version
             * @description Version of the layout that was changed; 0 where there was none.
             */
            version: number;
        };
        /**
         * LayoutPane
         * @description One terminal in its place.
         */
        LayoutPane: {
            /**
             * Share
             * @description Its part of the split that it is in, beside the shares of the others.
             * @default 1
             */
            share: number;
            /**
             * Terminal
             * @description The id of a terminal.
             */
            terminal: string;
        };
        /**
         * LayoutSplit
         * @description Places beside (row) or below (column) each other.
         */
        LayoutSplit: {
            /**
             * Direction
             * @enum {string}
             */
            direction: "row" | "column";
            /** Parts */
            parts: (components["schemas"]["LayoutPane"] | components["schemas"]["LayoutSplit"])[];
            /**
             * Share
             * @description Its part of the split that it is in, beside the shares of the others.
             * @default 1
             */
            share: number;
        };
        /**
         * LearnRequest
         * @description For how long a workspace is observed.
         */
        LearnRequest: {
            /**
             * For
             * @description Such as 10m; at most 8h.
             * @default 10m
             * @example 10m
             * @example 1h
             */
            for: string;
        };
        /**
         * LearningAnswer
         * @description A time in which the workspace is observed, to propose what it reached.
         */
        LearningAnswer: {
            /** Seconds Left */
            seconds_left: number;
            /**
             * Started At
             * Format: date-time
             */
            started_at: string;
            /**
             * Until
             * Format: date-time
             */
            until: string;
        };
        /**
         * Line
         * @description A line of the specification's section "Troubleshooting", in its order.
         * @enum {string}
         */
        Line: "start.resources" | "start.infrastructure" | "start.configuration" | "start.logs" | "terminal.running" | "terminal.ssh" | "terminal.websocket" | "terminal.network" | "files.permissions" | "files.ssh" | "files.system" | "files.space";
        /**
         * LinkAnswer
         * @description A link that signs a person in, once, within an hour.
         */
        LinkAnswer: {
            /**
             * Url
             * @description Holds a secret: give it to that person only.
             */
            url: string;
        };
        /**
         * LogAnswer
         * @description A workspace's log so far.
         */
        LogAnswer: {
            /** Lines */
            lines: components["schemas"]["LogLineAnswer"][];
        };
        /**
         * LogLineAnswer
         * @description One line of a workspace's log.
         */
        LogLineAnswer: {
            /**
             * At
             * @description When it was written; null where nobody noted it.
             */
            at: string | null;
            /**
             * Source
             * @description build or boot.
             */
            source: string;
            /** Text */
            text: string;
        };
        /**
         * LoginRequest
         * @description The credential to exchange for a session: a code from a login link, an API token, or handle and password.
         */
        LoginRequest: {
            /** Code */
            code?: string;
            /** Handle */
            handle?: string;
            /** Password */
            password?: string;
            /** Token */
            token?: string;
        };
        /**
         * Loss
         * @description A property that a file loses when another takes its place.
         * @enum {string}
         */
        Loss: "owner" | "group" | "links";
        /**
         * LostTerminal
         * @description A terminal that ends.
         */
        LostTerminal: {
            /** Id */
            id: string;
            /**
             * Name
             * @description Its name or, without one, the title that its program has set; may be empty.
             */
            name: string;
            /**
             * Process
             * @description Name of the foreground process: its shell's, if nothing else runs in it.
             */
            process: string;
        };
        /**
         * MemoryRange
         * @description The least and the most memory, in GB.
         */
        MemoryRange: {
            /**
             * Max
             * @description GB of memory; fractions from 0.25, kept in whole MiB.
             */
            max: number;
            /**
             * Min
             * @description GB of memory; fractions from 0.25, kept in whole MiB.
             */
            min: number;
        };
        /**
         * MetricsAnswer
         * @description Present use, each in percent of its limit.
         */
        MetricsAnswer: {
            /** Cpu Usage */
            cpu_usage: number;
            /** Memory Usage */
            memory_usage: number;
            /** Storage Usage */
            storage_usage: number;
        };
        /**
         * MetricsHistory
         * @description The figures of a workspace over time; where more than two steps lie between two samples nothing was measured.
         */
        MetricsHistory: {
            /**
             * Begin
             * Format: date-time
             */
            begin: string;
            /**
             * End
             * Format: date-time
             */
            end: string;
            /** Samples */
            samples: components["schemas"]["SampleAnswer"][];
            span: components["schemas"]["Span"];
            /**
             * Step
             * @description Seconds between two samples.
             */
            step: number;
        };
        /**
         * MetricsSeries
         * @description The figures of a workspace over time. Steps in which nothing was measured are missing from ``at``.
         */
        MetricsSeries: {
            /**
             * At
             * @description Where each step with samples begins.
             */
            at: string[];
            /**
             * Begin
             * Format: date-time
             */
            begin: string;
            /**
             * End
             * Format: date-time
             */
            end: string;
            /** Figures */
            figures: {
                [key: string]: components["schemas"]["Series"];
            };
            /**
             * Samples
             * @description Samples in each step.
             */
            samples: number[];
            /**
             * Seconds
             * @description Time that was measured in each step.
             */
            seconds: number[];
            /**
             * Step
             * @description Seconds; more than were asked for where finer ones are not kept for so long.
             */
            step: number;
        };
        /**
         * NetworkAnswer
         * @description The network of one workspace.
         */
        NetworkAnswer: {
            network: components["schemas"]["NetworkDetail"];
        };
        /**
         * NetworkBounds
         * @description The bounds of all networks, as the administrator has set them.
         */
        NetworkBounds: {
            /**
             * Balanced
             * @description What mode balanced lets out.
             */
            balanced: components["schemas"]["EntryAnswer"][];
            /** @description The mode of new workspaces that are asked for without one. */
            default: components["schemas"]["NetworkMode"];
            floor: components["schemas"]["FloorAnswer"];
        };
        /**
         * NetworkDetail
         * @description The reach of a workspace, as it is wanted and as it is in force.
         */
        NetworkDetail: {
            /** Allow */
            allow: components["schemas"]["EntryAnswer"][];
            /**
             * Beyond Floor
             * @description Pointers to the parts that the floor keeps from having an effect.
             */
            beyond_floor: string[];
            /** Deny */
            deny: components["schemas"]["EntryAnswer"][];
            /** @description The mode in force now, by the floor and by learning. */
            effective_mode: components["schemas"]["NetworkMode"];
            floor: components["schemas"]["FloorAnswer"];
            /**
             * In Force
             * @description The engine has taken it, or the workspace does not run and will not before it has.
             */
            in_force: boolean;
            learning: components["schemas"]["LearningAnswer"] | null;
            mode: components["schemas"]["NetworkMode"];
            /** Pending Proposals */
            pending_proposals: number;
            /**
             * Version
             * @description Counts its changes; 0: never set, nothing is reached.
             */
            version: number;
        };
        /**
         * NetworkMode
         * @description The reach of a workspace; private and link-local addresses, the host and other workspaces are in none.
         * @enum {string}
         */
        NetworkMode: "open" | "balanced" | "locked" | "none" | "observe";
        /**
         * NextAction
         * @description The next step that helps.
         * @enum {string}
         */
        NextAction: "none" | "wait" | "start" | "resume" | "restart" | "rebuild" | "resize" | "change_environment" | "free_space" | "read_log" | "close_terminals" | "look_at_service" | "delete" | "ask_owner";
        /**
         * NextRest
         * @description The next step of a workspace in which nothing works.
         */
        NextRest: {
            /**
             * At
             * Format: date-time
             */
            at: string;
            step: components["schemas"]["RestStep"];
            /**
             * Told
             * @description Its warning has been given.
             */
            told: boolean;
        };
        /**
         * NextRun
         * @description The time of a run.
         */
        NextRun: {
            action: components["schemas"]["ScheduledAction"];
            /**
             * At
             * Format: date-time
             */
            at: string;
        };
        /**
         * NextStepAnswer
         * @description The next step.
         */
        NextStepAnswer: {
            action: components["schemas"]["NextAction"];
            /**
             * Command
             * @description A command line; empty where there is none.
             */
            command: string;
            /**
             * Link
             * @description A path of the browser's pages; empty where there is none.
             */
            link: string;
            /** @description The finding by its code; the code of a bad one stands for its remedy too. */
            said: components["schemas"]["SentenceAnswer"];
            /** Sentence */
            sentence: string;
        };
        /**
         * OfferAnswer
         * @description An offer of a workspace; no more is told of it before it is accepted.
         */
        OfferAnswer: {
            /**
             * Expires At
             * Format: date-time
             */
            expires_at: string;
            /** Name */
            name: string;
            /**
             * Offered At
             * Format: date-time
             */
            offered_at: string;
            /**
             * Owner
             * @description Handle of its owner, who offers it.
             */
            owner: string;
            /**
             * To
             * @description Handle of the user whom it is offered to.
             */
            to: string;
            /** Workspace Id */
            workspace_id: string;
        };
        /**
         * Outcome
         * @description The outcome of looking at one line.
         * @enum {string}
         */
        Outcome: "good" | "bad" | "unknown";
        /**
         * OwnQuotasAnswer
         * @description Everything that bounds the caller, and what the caller has; without quotas only the machine bounds.
         */
        OwnQuotasAnswer: {
            /** Quotas */
            quotas: components["schemas"]["QuotaAnswer"][];
            used: components["schemas"]["AmountsAnswer"];
        };
        /**
         * OwnedAnswer
         * @description A workspace of the caller's.
         */
        OwnedAnswer: {
            /**
             * Name
             * @description Another than before where the caller had one of that name.
             */
            name: string;
            personal_secrets: components["schemas"]["PersonalSecrets"];
            /** Workspace Id */
            workspace_id: string;
        };
        /**
         * PackageAnswer
         * @description One package of the set in force.
         */
        PackageAnswer: {
            /** Description */
            description: string;
            /** Name */
            name: string;
            /**
             * Size
             * @description Bytes on disk with everything that it needs, shared or not; null where the set does not tell.
             */
            size: number | null;
            /** Version */
            version: string;
        };
        /**
         * PackageList
         * @description The packages that match a search, best first.
         */
        PackageList: {
            /**
             * Package Set
             * @description The set that was searched: the one that workspaces are built from.
             */
            package_set: string;
            /** Packages */
            packages: components["schemas"]["PackageAnswer"][];
        };
        /**
         * PartAnswer
         * @description One part of a system that differs.
         */
        PartAnswer: {
            /** After */
            after: string[];
            /**
             * Before
             * @description Its versions, an empty text where its name tells none; an empty list where it was not there.
             */
            before: string[];
            /** Bytes After */
            bytes_after: number;
            /**
             * Bytes Before
             * @description Size of its paths that only the first generation has.
             */
            bytes_before: number;
            /** Name */
            name: string;
        };
        /**
         * PasskeyAnswer
         * @description A passkey.
         */
        PasskeyAnswer: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Host
             * @description The host name that it is for.
             */
            host: string;
            /** Id */
            id: string;
            /**
             * Is For This
             * @description That is the name of this service as it was asked.
             */
            is_for_this: boolean;
            /** Last Used At */
            last_used_at: string | null;
            /** Name */
            name: string;
        };
        /**
         * PasskeyDetail
         * @description One passkey.
         */
        PasskeyDetail: {
            passkey: components["schemas"]["PasskeyAnswer"];
        };
        /**
         * PasskeyList
         * @description The caller's passkeys, oldest first.
         */
        PasskeyList: {
            /**
             * Must Confirm
             * @description A new passkey or password takes the current password or a passkey; not for an hour after a link.
             */
            must_confirm: boolean;
            /** Passkeys */
            passkeys: components["schemas"]["PasskeyAnswer"][];
        };
        /**
         * PasskeyOptions
         * @description The options of a ceremony, for five minutes and one answer.
         */
        PasskeyOptions: {
            /**
             * Options
             * @description For PublicKeyCredential.parseCreationOptionsFromJSON or parseRequestOptionsFromJSON.
             */
            options: {
                [key: string]: unknown;
            };
        };
        /**
         * PasskeyRename
         * @description A new name of a passkey.
         */
        PasskeyRename: {
            /** Name */
            name: string;
        };
        /**
         * PasskeyRequest
         * @description A passkey that an authenticator has made.
         */
        PasskeyRequest: {
            made: components["schemas"]["AttestationRequest"];
            /** Name */
            name: string;
        };
        /**
         * PasskeySignInOptions
         * @description The options of signing in, for five minutes and one answer of this browser.
         */
        PasskeySignInOptions: {
            /**
             * Options
             * @description For PublicKeyCredential.parseRequestOptionsFromJSON; null where nobody has a passkey here.
             */
            options: {
                [key: string]: unknown;
            } | null;
        };
        /**
         * PasswordRequest
         * @description A new password; the current one or a passkey is needed where there is one.
         */
        PasswordRequest: {
            /**
             * Current
             * @description The current password.
             * @default
             */
            current: string;
            /** @description Its options come from POST /api/nixos/me/passkeys/confirmation. */
            passkey?: components["schemas"]["AssertionRequest"] | null;
            /** Password */
            password: string;
        };
        /**
         * PersonalSecrets
         * @description Whether its owner's own secrets are delivered to a workspace, besides those of the workspace.
         * @enum {string}
         */
        PersonalSecrets: "delivered" | "withheld";
        /**
         * PersonalSecretsRequest
         * @description Whether the caller's personal secrets are delivered to a workspace.
         */
        PersonalSecretsRequest: {
            /** Deliver */
            deliver: boolean;
        };
        /**
         * Phase
         * @description The phases of making a workspace ready, in order (design section 6).
         * @enum {string}
         */
        Phase: "evaluate" | "fetch" | "build" | "volume" | "boot" | "ready";
        /**
         * PhaseAnswer
         * @description When a phase of making a workspace ready was worked on.
         */
        PhaseAnswer: {
            /**
             * Ended At
             * @description null while it is worked on.
             */
            ended_at: string | null;
            phase: components["schemas"]["Phase"];
            /**
             * Started At
             * Format: date-time
             */
            started_at: string;
        };
        /**
         * PlanAnswer
         * @description One plan.
         */
        PlanAnswer: {
            plan: components["schemas"]["PlanDetail"];
        };
        /**
         * PlanDetail
         * @description The outcome of a change.
         */
        PlanDetail: {
            /**
             * Processes
             * @description All processes that end, those of the system included; null where the engine does not tell.
             */
            processes: number | null;
            /**
             * Reasons
             * @description The parts of the change that need a restart.
             */
            reasons: components["schemas"]["RestartReason"][];
            /**
             * Restarts
             * @description It restarts the workspace, or may: a build can lead to the system that runs.
             */
            restarts: boolean;
            /**
             * Terminals
             * @description The terminals that end with the restart; null where the workspace does not tell.
             */
            terminals: components["schemas"]["LostTerminal"][] | null;
        };
        /**
         * PlanRequest
         * @description A change as ``PATCH`` takes it, or ``rebuild``: building the environment again, or going to a generation.
         */
        PlanRequest: {
            /**
             * Cpu
             * @description Cores; fractions from 0.25.
             */
            cpu?: number;
            /**
             * Memory
             * @description GB of memory; fractions from 0.25, kept in whole MiB.
             */
            memory?: number;
            /**
             * Name
             * @description Unique; becomes the host name.
             */
            name?: string;
            /**
             * Packages
             * @description Order and duplicates do not matter.
             */
            packages?: string[];
            /**
             * Ports
             * @description TCP ports that the workspace's own firewall opens besides 22.
             */
            ports?: number[];
            /**
             * Rebuild
             * @description Build the environment again, whatever else changes.
             * @default false
             */
            rebuild: boolean;
            /**
             * Storage
             * @description GB of storage; fractions from 0.25, kept in whole MiB.
             */
            storage?: number;
            /** Template */
            template?: string;
        };
        /**
         * PolicyRequest
         * @description The wanted reach of a workspace, as a whole.
         */
        PolicyRequest: {
            /**
             * Allow
             * @description At most 256 entries, together with deny.
             */
            allow?: components["schemas"]["EntryRequest"][];
            /**
             * Deny
             * @description Wins over allow and over every mode.
             */
            deny?: components["schemas"]["EntryRequest"][];
            mode: components["schemas"]["NetworkMode"];
            /**
             * Version
             * @description The version that was changed: refused if it is another by now. Left out: whatever it is.
             */
            version?: number;
        };
        /**
         * PortAnswer
         * @description A port of a workspace.
         */
        PortAnswer: {
            /**
             * Addresses
             * @description The addresses that it listens on.
             */
            addresses: string[];
            /**
             * Expires At
             * @description When it becomes private again; null: never.
             */
            expires_at: string | null;
            /**
             * Listening
             * @description Whether a program listens there now.
             */
            listening: boolean;
            /** Port */
            port: number;
            /**
             * Program
             * @description Its name, chosen by the workspace; empty if it is not known.
             */
            program: string;
            /**
             * Protocol
             * @description http or tcp: a guess by port and program, nothing was asked of it.
             */
            protocol: string;
            /**
             * Shown Program
             * @description The program that is shown to others than those who may connect; another one is not. Empty: any.
             */
            shown_program: string;
            /**
             * Since
             * @description When the program was started.
             */
            since: string | null;
            /**
             * Url
             * @description Address of its preview; null where it has none.
             */
            url: string | null;
            /** @description private: those who may connect to the workspace; signed_in: everybody who is signed in; link: everybody with the link. */
            visibility: components["schemas"]["Visibility"];
        };
        /**
         * PortChange
         * @description The people that a port is shown to.
         */
        PortChange: {
            /**
             * Expires In
             * @description Seconds until it is private again. 0: a link lasts seven days, and signed_in stays.
             * @default 0
             */
            expires_in: number;
            visibility: components["schemas"]["Visibility"];
        };
        /**
         * PortList
         * @description The ports on which something listens, or that are shown to others.
         */
        PortList: {
            /** Ports */
            ports: components["schemas"]["PortAnswer"][];
        };
        /**
         * PressureAnswer
         * @description How much of the time programs waited.
         */
        PressureAnswer: {
            /**
             * Cpu
             * @description Share of the time, 0 to 1.
             */
            cpu: number;
            /**
             * Io
             * @description Share of the time, 0 to 1.
             */
            io: number;
            /**
             * Io Full
             * @description Share of the time, 0 to 1.
             */
            io_full: number;
            /**
             * Memory
             * @description Share of the time, 0 to 1.
             */
            memory: number;
            /**
             * Memory Full
             * @description Share of the time, 0 to 1.
             */
            memory_full: number;
        };
        /**
         * PreviewAnswer
         * @description An address that opens a preview once, within half a minute.
         */
        PreviewAnswer: {
            /** Url */
            url: string;
        };
        /**
         * PreviewRequest
         * @description A preview to be opened in a browser.
         */
        PreviewRequest: {
            /**
             * Url
             * @description Its address, with any path.
             */
            url: string;
        };
        /**
         * PriceBookAnswer
         * @description The price book.
         */
        PriceBookAnswer: {
            /**
             * Currency
             * @description Empty where there are no prices.
             */
            currency: string;
            /** Prices */
            prices: components["schemas"]["PriceListAnswer"][];
        };
        /**
         * PriceBookRequest
         * @description The whole price book; without lists there are no prices.
         */
        PriceBookRequest: {
            /**
             * Currency
             * @example EUR
             */
            currency: string;
            /** Prices */
            prices: components["schemas"]["PriceListBody"][];
        };
        /**
         * PriceListAnswer
         * @description Prices from an instant on.
         */
        PriceListAnswer: {
            /**
             * Cpu Hour Reserved
             * @description With six places.
             * @example 12.500000
             */
            cpu_hour_reserved: string;
            /**
             * Cpu Hour Used
             * @description With six places.
             * @example 12.500000
             */
            cpu_hour_used: string;
            /**
             * Egress Gb
             * @description With six places.
             * @example 12.500000
             */
            egress_gb: string;
            /**
             * Memory Gb Hour Reserved
             * @description With six places.
             * @example 12.500000
             */
            memory_gb_hour_reserved: string;
            /**
             * Memory Gb Hour Used
             * @description With six places.
             * @example 12.500000
             */
            memory_gb_hour_used: string;
            /**
             * Snapshot Gb Month
             * @description With six places.
             * @example 12.500000
             */
            snapshot_gb_month: string;
            /**
             * Storage Gb Month
             * @description With six places.
             * @example 12.500000
             */
            storage_gb_month: string;
            /**
             * Valid From
             * Format: date-time
             */
            valid_from: string;
        };
        /**
         * PriceListBody
         * @description Prices from an instant on, until the next list begins.
         */
        PriceListBody: {
            /**
             * Cpu Hour Reserved
             * @example 12.50
             */
            cpu_hour_reserved?: string;
            /**
             * Cpu Hour Used
             * @example 12.50
             */
            cpu_hour_used?: string;
            /**
             * Egress Gb
             * @example 12.50
             */
            egress_gb?: string;
            /**
             * Memory Gb Hour Reserved
             * @example 12.50
             */
            memory_gb_hour_reserved?: string;
            /**
             * Memory Gb Hour Used
             * @example 12.50
             */
            memory_gb_hour_used?: string;
            /**
             * Snapshot Gb Month
             * @example 12.50
             */
            snapshot_gb_month?: string;
            /**
             * Storage Gb Month
             * @example 12.50
             */
            storage_gb_month?: string;
            /**
             * Valid From
             * Format: date-time
             */
            valid_from: string;
        };
        /**
         * ProfileAnswer
         * @description The settings of the caller.
         */
        ProfileAnswer: {
            dotfiles: components["schemas"]["DotfilesAnswer"] | null;
        };
        /**
         * ProfileRequest
         * @description The settings of a person.
         */
        ProfileRequest: {
            /** @description null for none. */
            dotfiles: components["schemas"]["DotfilesSetting"] | null;
        };
        /**
         * ProgramAnswer
         * @description The processes of one systemd unit.
         */
        ProgramAnswer: {
            /**
             * Cpu
             * @description Cores in use.
             */
            cpu: number;
            /**
             * Memory Bytes
             * @description Memory that no file stands behind.
             */
            memory_bytes: number;
            /**
             * Name
             * @description The unit's name.
             */
            name: string;
            /** Processes */
            processes: number;
        };
        /**
         * ProgramList
         * @description The units of a workspace that use the most CPU and memory, the busiest first.
         */
        ProgramList: {
            /** Programs */
            programs: components["schemas"]["ProgramAnswer"][];
        };
        /**
         * ProgressAnswer
         * @description How far the present work on a workspace has got.
         */
        ProgressAnswer: {
            /**
             * Fraction
             * @description 0 to 1 within the phase; null where it cannot be told.
             */
            fraction: number | null;
            /** Message */
            message: string;
            phase: components["schemas"]["Phase"];
            /** @description The message by its code; null where there is none. */
            said: components["schemas"]["SentenceAnswer"] | null;
        };
        /**
         * ProofAnswer
         * @description A proof that an entry stands in the tree of ``size`` entries (RFC 6962, section 2.1.1).
         */
        ProofAnswer: {
            /**
             * Leaf
             * @description The entry's hash, base64.
             */
            leaf: string;
            /**
             * Path
             * @description The hashes up to the root, 32 bytes each, one after another, base64.
             */
            path: string;
            /** Seq */
            seq: number;
            /** Size */
            size: number;
        };
        /**
         * ProofRequest
         * @description A confirmation: the current password, or a passkey; empty where there is neither.
         */
        ProofRequest: {
            /**
             * Current
             * @description The current password.
             * @default
             */
            current: string;
            /** @description Its options come from POST /api/nixos/me/passkeys/confirmation. */
            passkey?: components["schemas"]["AssertionRequest"] | null;
        };
        /**
         * ProposalAnswer
         * @description Entries that somebody wants to be allowed.
         */
        ProposalAnswer: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Created By */
            created_by: string;
            /** Decided At */
            decided_at: string | null;
            /** Decided By */
            decided_by: string;
            /** Entries */
            entries: components["schemas"]["EntryAnswer"][];
            /** Id */
            id: string;
            /** Reason */
            reason: string;
            source: components["schemas"]["ProposalSource"];
            state: components["schemas"]["ProposalState"];
        };
        /**
         * ProposalList
         * @description Proposals, newest first; those that were decided long ago are left out.
         */
        ProposalList: {
            /** Proposals */
            proposals: components["schemas"]["ProposalAnswer"][];
        };
        /**
         * ProposalMade
         * @description One proposal.
         */
        ProposalMade: {
            proposal: components["schemas"]["ProposalAnswer"];
        };
        /**
         * ProposalRequest
         * @description Entries that somebody wants to be allowed.
         */
        ProposalRequest: {
            /** Entries */
            entries: components["schemas"]["EntryRequest"][];
            /**
             * Reason
             * @description Why, for those who decide.
             * @default
             */
            reason: string;
        };
        /**
         * ProposalSource
         * @description Where a proposal comes from.
         * @enum {string}
         */
        ProposalSource: "asked" | "learned";
        /**
         * ProposalState
         * @description The fate of a proposal.
         * @enum {string}
         */
        ProposalState: "pending" | "approved" | "rejected";
        /**
         * ProviderAnswer
         * @description An OpenID provider that people may sign in by.
         */
        ProviderAnswer: {
            /** Name */
            name: string;
            /**
             * Url
             * @description Where a browser begins; ?to=PATH names the page to come back to.
             */
            url: string;
        };
        /**
         * PublicKeyAnswer
         * @description A registered public key.
         */
        PublicKeyAnswer: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Fingerprint
             * @description As ssh-keygen -l prints it: SHA256:…
             */
            fingerprint: string;
            /** Id */
            id: string;
            /**
             * Last Used At
             * @description Last use at the SSH gateway; null if there was none.
             */
            last_used_at: string | null;
            /** Name */
            name: string;
            /**
             * Public Key
             * @description One line without a comment.
             */
            public_key: string;
            /**
             * Type
             * @description As in an authorized-keys file: ssh-ed25519.
             */
            type: string;
        };
        /**
         * PublicKeyDetail
         * @description One registered key.
         */
        PublicKeyDetail: {
            ssh_key: components["schemas"]["PublicKeyAnswer"];
        };
        /**
         * PublicKeyList
         * @description The caller's registered keys, oldest first.
         */
        PublicKeyList: {
            /**
             * Gateway Port
             * @description TCP port of the SSH gateway on the service's host; null if it is off.
             */
            gateway_port: number | null;
            /**
             * Host Authority
             * @description The public key that signs the host keys of workspaces and of the SSH gateway, for @cert-authority.
             */
            host_authority: string;
            /** Ssh Keys */
            ssh_keys: components["schemas"]["PublicKeyAnswer"][];
        };
        /**
         * Purpose
         * @description The reason for which a repository is in a workspace.
         * @enum {string}
         */
        Purpose: "work" | "dotfiles";
        /**
         * Question
         * @description A complaint about a workspace.
         * @enum {string}
         */
        Question: "not_running" | "unreachable" | "files" | "slow";
        /**
         * QuietAnswer
         * @description Hours of every day in which other times hold.
         */
        QuietAnswer: {
            /** Begin */
            begin: string;
            /** End */
            end: string;
            /** Pause After */
            pause_after: string | null;
            /** Stop After */
            stop_after: string | null;
            /** Zone */
            zone: string;
        };
        /**
         * QuietRequest
         * @description Hours of every day in which other times hold.
         */
        QuietRequest: {
            /** Begin */
            begin: string;
            /** End */
            end: string;
            /** Pause After */
            pause_after?: string | null;
            /** Stop After */
            stop_after?: string | null;
            /** Zone */
            zone: string;
        };
        /**
         * QuotaAnswer
         * @description A quota beside what of it is used.
         */
        QuotaAnswer: {
            allowed: components["schemas"]["AmountsAnswer"];
            /**
             * Kind
             * @description user: bounds what the user has; group: what all its members have together.
             */
            kind: string;
            /** Name */
            name: string;
            /** Subject Id */
            subject_id: string;
            used: components["schemas"]["AmountsAnswer"];
        };
        /**
         * QuotaList
         * @description Quotas.
         */
        QuotaList: {
            /** Quotas */
            quotas: components["schemas"]["QuotaAnswer"][];
        };
        /**
         * QuotaRequest
         * @description The bounds of a user or a group; what is null or left out has none.
         */
        QuotaRequest: {
            /**
             * Cpu
             * @description Cores of those that are to run.
             */
            cpu?: number | null;
            /**
             * Memory
             * @description GB of those that are to run.
             */
            memory?: number | null;
            /**
             * Running
             * @description Workspaces that are to run; paused ones count.
             */
            running?: number | null;
            /**
             * Storage
             * @description GB of all.
             */
            storage?: number | null;
            /** Workspaces */
            workspaces?: number | null;
        };
        /**
         * RangeAnswer
         * @description The least and the most.
         */
        RangeAnswer: {
            /** Max */
            max: number;
            /** Min */
            min: number;
        };
        /**
         * RebuildRequest
         * @description The generation to go to; without one the present environment is built anew.
         */
        RebuildRequest: {
            /** Generation */
            generation?: number;
        };
        /**
         * Recipient
         * @description The kind of those to whom something is shared.
         * @enum {string}
         */
        Recipient: "user" | "group" | "link" | "guest";
        /**
         * RecordedLineInfo
         * @description A line that holds the text which was sought.
         */
        RecordedLineInfo: {
            /**
             * At Ms
             * @description Milliseconds since the recording began.
             */
            at_ms: number;
            /** Text */
            text: string;
        };
        /**
         * RecordingAnswer
         * @description One recording.
         */
        RecordingAnswer: {
            recording: components["schemas"]["RecordingInfo"];
        };
        /**
         * RecordingInfo
         * @description A recording of a terminal's output.
         */
        RecordingInfo: {
            /**
             * Cast Sha256
             * @description Of the asciicast file; empty while it runs.
             */
            cast_sha256: string;
            /**
             * End
             * @description Offset of the terminal's output at which it ends.
             */
            end: number;
            /** Ended At */
            ended_at: string | null;
            /** Exit Status */
            exit_status: number | null;
            /** Id */
            id: string;
            /**
             * Missing
             * @description Bytes of output before that which are not in it.
             */
            missing: number;
            /** @description Why it ends before its terminal did. */
            reason: components["schemas"]["CutReason"];
            /**
             * Sha256
             * @description Of the output in it; empty while it runs.
             */
            sha256: string;
            /**
             * Size
             * @description Bytes on the service's disk; 0 while it runs.
             */
            size: number;
            /**
             * Started At
             * Format: date-time
             */
            started_at: string;
            state: components["schemas"]["RecordingState"];
            /** Terminal Id */
            terminal_id: string;
        };
        /**
         * RecordingList
         * @description The recordings of a workspace, the latest first.
         */
        RecordingList: {
            /** Recordings */
            recordings: components["schemas"]["FoundRecording"][];
        };
        /**
         * RecordingState
         * @description How far a recording has come.
         * @enum {string}
         */
        RecordingState: "running" | "complete" | "cut";
        /**
         * Relation
         * @description The relation of a person to a workspace; the stronger ones come first.
         * @enum {string}
         */
        Relation: "owner" | "editor" | "reader" | "viewer" | "typist" | "watcher" | "visitor" | "none";
        /**
         * RememberedTerminal
         * @description A terminal as it was last seen, to be shown and opened again once it has ended.
         */
        RememberedTerminal: {
            /**
             * Cwd
             * @default
             */
            cwd: string;
            /**
             * Ended
             * @default false
             */
            ended: boolean;
            /**
             * Name
             * @default
             */
            name: string;
            /**
             * Process
             * @default
             */
            process: string;
        };
        /**
         * RepositoryAnswer
         * @description A repository of a workspace.
         */
        RepositoryAnswer: {
            /**
             * Directory
             * @description Below the home directory.
             */
            directory: string;
            /**
             * Fraction
             * @description 0 to 1 while it is cloned; null where it cannot be told.
             */
            fraction: number | null;
            /**
             * Message
             * @description Why it failed and what to do, or a remark.
             */
            message: string;
            purpose: components["schemas"]["Purpose"];
            /**
             * Ref
             * @description Empty: the default branch.
             */
            ref: string;
            state: components["schemas"]["CloneState"];
            /**
             * Updated At
             * Format: date-time
             */
            updated_at: string;
            /** Url */
            url: string;
        };
        /**
         * RepositoryList
         * @description The repositories of a workspace: its work, and its owner's dotfiles.
         */
        RepositoryList: {
            /** Repositories */
            repositories: components["schemas"]["RepositoryAnswer"][];
        };
        /**
         * ResponseTimeAnswer
         * @description The response times of one route over the last ten to twenty minutes.
         */
        ResponseTimeAnswer: {
            /** Count */
            count: number;
            /** Method */
            method: string;
            /** P50 Ms */
            p50_ms: number;
            /** P95 Ms */
            p95_ms: number;
            /** Route */
            route: string;
        };
        /**
         * RestStep
         * @description The next thing that happens to a workspace in which nothing works.
         * @enum {string}
         */
        RestStep: "pause" | "stop";
        /**
         * RestartReason
         * @description A part of a change that needs a restart.
         * @enum {string}
         */
        RestartReason: "template" | "packages" | "storage" | "rebuild" | "pending";
        /**
         * RunAnswer
         * @description One line of a schedule.
         */
        RunAnswer: {
            action: components["schemas"]["ScheduledAction"];
            /** Cron */
            cron: string;
            /** Zone */
            zone: string;
        };
        /**
         * RunRequest
         * @description One line of a schedule.
         */
        RunRequest: {
            action: components["schemas"]["ScheduledAction"];
            /**
             * Cron
             * @description Minute, hour, day, month, day of the week: 30 8 * * 1-5.
             */
            cron: string;
            /**
             * Zone
             * @description The clock that cron means: an IANA name such as Europe/Berlin.
             */
            zone: string;
        };
        /**
         * SampleAnswer
         * @description Use at one moment, or on average over the step that begins then.
         */
        SampleAnswer: {
            /**
             * At
             * Format: date-time
             */
            at: string;
            /** Cpu Usage */
            cpu_usage: number;
            /** Memory Usage */
            memory_usage: number;
            /** Storage Usage */
            storage_usage: number;
        };
        /**
         * ScalingDecisionAnswer
         * @description One decision about the size of a workspace, with the figures that it was made by.
         */
        ScalingDecisionAnswer: {
            /** @description Of a refused one, the size that was wanted. */
            after: components["schemas"]["SizeAnswer"];
            /**
             * At
             * Format: date-time
             */
            at: string;
            before: components["schemas"]["SizeAnswer"];
            /** Evidence */
            evidence: {
                [key: string]: number;
            };
            /** @description up, down, or refused: it should have changed and could not. */
            kind: components["schemas"]["ScalingKind"];
            /**
             * Message
             * @description The reason in English.
             */
            message: string;
            /** @description The finding by its code; the code of a bad one stands for its remedy too. */
            reason: components["schemas"]["SentenceAnswer"];
        };
        /**
         * ScalingKind
         * @description The outcome of a decision.
         * @enum {string}
         */
        ScalingKind: "up" | "down" | "refused";
        /**
         * ScheduleAnswer
         * @description The schedule of one workspace.
         */
        ScheduleAnswer: {
            schedule: components["schemas"]["ScheduleDetail"];
        };
        /**
         * ScheduleDetail
         * @description The schedule of a workspace and its next runs.
         */
        ScheduleDetail: {
            /** Next */
            next: components["schemas"]["NextRun"][];
            /** Runs */
            runs: components["schemas"]["RunAnswer"][];
        };
        /**
         * ScheduleRequest
         * @description The whole schedule of a workspace; empty: none.
         */
        ScheduleRequest: {
            /** Runs */
            runs: components["schemas"]["RunRequest"][];
        };
        /**
         * ScheduledAction
         * @description An action that a schedule does.
         * @enum {string}
         */
        ScheduledAction: "start" | "stop";
        /**
         * SecretAnswer
         * @description A secret without its value.
         */
        SecretAnswer: {
            /**
             * Host
             * @description Of a Git credential; null otherwise.
             */
            host: string | null;
            kind: components["schemas"]["SecretKind"];
            /** @description The class of the value's length: all that is told of it. */
            length: components["schemas"]["SecretLength"];
            /**
             * Mode
             * @description Of a file; null otherwise.
             */
            mode: string | null;
            /** Name */
            name: string;
            /**
             * Path
             * @description Of a file; null otherwise.
             */
            path: string | null;
            /**
             * Updated At
             * Format: date-time
             */
            updated_at: string;
            /**
             * Username
             * @description Of a Git credential; null otherwise.
             */
            username: string | null;
        };
        /**
         * SecretDelivery
         * @description The last delivery of secrets to a running workspace.
         */
        SecretDelivery: {
            /**
             * At
             * Format: date-time
             */
            at: string;
            /**
             * Problem
             * @description What could not be done; empty when everything is there.
             */
            problem: string;
        };
        /**
         * SecretKind
         * @description The form in which a secret reaches a workspace.
         * @enum {string}
         */
        SecretKind: "environment" | "file" | "git";
        /**
         * SecretLength
         * @description The class of a value's length: all that is told of it.
         * @enum {string}
         */
        SecretLength: "short" | "medium" | "long" | "huge";
        /**
         * SecretList
         * @description The secrets of a person or a workspace.
         */
        SecretList: {
            /** @description Of a workspace: how its last delivery went; null for a person, and where there was none. */
            delivery: components["schemas"]["SecretDelivery"] | null;
            /** @description Of a workspace: whether its owner's own secrets are delivered to it too; null for a person. */
            personal: components["schemas"]["PersonalSecrets"] | null;
            /** Secrets */
            secrets: components["schemas"]["SecretAnswer"][];
        };
        /**
         * SecretRequest
         * @description A secret to be set, in place of the one of its name.
         */
        SecretRequest: {
            /**
             * Host
             * @description Of a Git credential: the host that it is for, with a port if any.
             */
            host?: string;
            kind: components["schemas"]["SecretKind"];
            /**
             * Mode
             * @description Of a file; 0400 where it is not given.
             * @enum {string}
             */
            mode?: "0400" | "0500" | "0600" | "0700";
            /**
             * Path
             * @description Of a file; without one it is /run/secrets/ and the name.
             */
            path?: string;
            /**
             * Username
             * @description Of a Git credential; without one it is one that takes tokens.
             */
            username?: string;
            /**
             * Value
             * @description Text of at most 64 KiB; never told again.
             */
            value: string;
        };
        /**
         * SentenceAnswer
         * @description One sentence by its code, with what is filled in.
         */
        SentenceAnswer: {
            /**
             * Code
             * @description Stable, for programs.
             */
            code: string;
            /**
             * Parts
             * @description Values that are sentences themselves; in English they stand in `values` too.
             */
            parts?: {
                [key: string]: components["schemas"]["SentenceAnswer"];
            };
            /**
             * Text
             * @description The sentence in English.
             */
            text?: string;
            /** Values */
            values: {
                [key: string]: string;
            };
        };
        /**
         * Series
         * @description One figure over time, a value for each of ``at``; null where it was not told.
         */
        Series: {
            /** Max */
            max: (number | null)[];
            /** Mean */
            mean: (number | null)[];
            /** Min */
            min: (number | null)[];
            /**
             * Total
             * @description The amount in each step; null for what is a level.
             */
            total: (number | null)[] | null;
            /**
             * Unit
             * @description bytes, percent, count, cores or share; of flows a second's.
             */
            unit: string;
        };
        /**
         * SessionAnswer
         * @description The principal of the caller.
         */
        SessionAnswer: {
            /**
             * Csrf Token
             * @description Of a browser's session: what its unsafe requests send along in the header `X-CSRF-Token`. Empty for tokens, which need none.
             */
            csrf_token: string;
            /** Name */
            name: string;
            /** Role */
            role: string;
        };
        /**
         * SessionsEnded
         * @description The sessions that were ended.
         */
        SessionsEnded: {
            /** Ended */
            ended: number;
        };
        /**
         * Severity
         * @description The urgency of a finding.
         * @enum {string}
         */
        Severity: "ok" | "notice" | "warning" | "critical";
        /**
         * ShareAnswer
         * @description One share of a workspace.
         */
        ShareAnswer: {
            access: components["schemas"]["Access"];
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Expires At */
            expires_at: string | null;
            /** Files */
            files: boolean;
            /** Id */
            id: string;
            kind: components["schemas"]["Recipient"];
            /** Knock */
            knock: boolean;
            /**
             * Name
             * @description Of the user, group or guest; empty for a link.
             */
            name: string;
            /**
             * Part
             * @description terminal:ID or port:NUMBER; empty for the whole workspace.
             */
            part: string;
            /** @description waiting: they have knocked, and wait for your answer. */
            state: components["schemas"]["ShareState"];
            /**
             * Via
             * @description Id of the link that they came by; empty otherwise.
             */
            via: string;
        };
        /**
         * ShareDetail
         * @description One share.
         */
        ShareDetail: {
            /**
             * Link
             * @description The address of a new link. It is told this once.
             */
            link?: string | null;
            share: components["schemas"]["ShareAnswer"];
        };
        /**
         * ShareList
         * @description The shares of a workspace, oldest first, with those of all who came by a link.
         */
        ShareList: {
            /** Shares */
            shares: components["schemas"]["ShareAnswer"][];
        };
        /**
         * ShareRequest
         * @description Something to share.
         */
        ShareRequest: {
            /** @default viewer */
            access: components["schemas"]["Access"];
            /**
             * Expires In
             * @description Seconds, at least 60. 0: a link lasts seven days, others stay.
             * @default 0
             */
            expires_in: number;
            /**
             * Files
             * @description Viewers may read files, too; editors may in any case.
             * @default false
             */
            files: boolean;
            /**
             * Knock
             * @description Of a link: you are asked about each one who comes.
             * @default false
             */
            knock: boolean;
            /**
             * Part
             * @description terminal:ID or port:NUMBER; empty for the whole workspace.
             * @default
             */
            part: string;
            /**
             * With
             * @description user:NAME, group:NAME, or link: anybody who has it.
             */
            with: string;
        };
        /**
         * ShareState
         * @description Whether a share is in force.
         * @enum {string}
         */
        ShareState: "active" | "waiting";
        /**
         * SharedPort
         * @description A port that is shown to other people than before.
         */
        SharedPort: {
            /**
             * Link
             * @description The link, where that is its visibility. It is told this once.
             */
            link: string | null;
            port: components["schemas"]["PortAnswer"];
        };
        /**
         * SignInMethods
         * @description The ways to sign in besides codes, tokens and passwords.
         */
        SignInMethods: {
            /** @description Null where none is set. */
            openid: components["schemas"]["ProviderAnswer"] | null;
        };
        /**
         * SignedIn
         * @description A new session.
         */
        SignedIn: {
            /**
             * Token
             * @description Send it as Authorization: Bearer TOKEN.
             */
            token: string;
        };
        /**
         * SignedOut
         * @description A session has ended here, and goes on at the OpenID provider.
         */
        SignedOut: {
            /**
             * Url
             * @description Address of the provider that ends it there, for the browser to go to.
             */
            url: string;
        };
        /**
         * SizeAnswer
         * @description The part of a workspace's resources that changes while it runs.
         */
        SizeAnswer: {
            /** Cpu */
            cpu: number;
            /** Memory */
            memory: number;
        };
        /**
         * Sort
         * @description Orders of a list of workspaces; a leading minus turns the order round.
         * @enum {string}
         */
        Sort: "name" | "-name" | "created_at" | "-created_at" | "last_accessed" | "-last_accessed";
        /**
         * Span
         * @description The length of a history, up to now.
         * @enum {string}
         */
        Span: "5m" | "1h" | "24h" | "7d";
        /**
         * SshInfo
         * @description Where the workspace's sshd answers from the machine that runs the service.
         */
        SshInfo: {
            /** Host */
            host: string;
            /** Port */
            port: number;
            /** Username */
            username: string;
        };
        /**
         * SshKeyAnswer
         * @description The keys to log in with, for the owner only.
         */
        SshKeyAnswer: {
            /**
             * Host Key
             * @description The machine's public host key, one line; pin it.
             */
            host_key: string;
            /**
             * Private Key
             * @description In OpenSSH's format.
             */
            private_key: string;
            /** Username */
            username: string;
        };
        /**
         * SshKeyRequest
         * @description A public key to register.
         */
        SshKeyRequest: {
            /**
             * Name
             * @description Empty: the comment of the key, or its type.
             * @default
             */
            name: string;
            /**
             * Public Key
             * @description One line, as in a file that ends in .pub: type, key in base64, comment. No options.
             */
            public_key: string;
        };
        /**
         * Status
         * @description The status of a workspace that users see (specification, "List All Workspaces"; design section 6).
         * @enum {string}
         */
        Status: "creating" | "starting" | "running" | "paused" | "stopping" | "stopped" | "deleting" | "error";
        /**
         * StopReasonAnswer
         * @description Why a workspace was stopped or paused.
         */
        StopReasonAnswer: {
            /**
             * Actor
             * @description The id of who asked for it.
             */
            actor: string;
            /**
             * At
             * Format: date-time
             */
            at: string;
            /** @description system: nothing worked in it. */
            by: components["schemas"]["StoppedBy"];
            /**
             * Code
             * @description Stable, for programs.
             */
            code: string;
            /** @description The sentence by its code. */
            said: components["schemas"]["SentenceAnswer"];
            /**
             * Seen
             * @description What was seen: the last work, and what used the most.
             */
            seen: components["schemas"]["SentenceAnswer"][];
            /** Sentence */
            sentence: string;
        };
        /**
         * StoppedBy
         * @description The kind of party that stopped a workspace.
         * @enum {string}
         */
        StoppedBy: "system" | "person" | "schedule" | "budget";
        /**
         * TemplateAnswer
         * @description A base that a workspace can be made from.
         */
        TemplateAnswer: {
            /** Description */
            description: string;
            /** Icon */
            icon: string;
            /** Name */
            name: string;
            /** Packages */
            packages: string[];
            /** Title */
            title: string;
        };
        /**
         * TemplateList
         * @description Every template.
         */
        TemplateList: {
            /** Templates */
            templates: components["schemas"]["TemplateAnswer"][];
        };
        /**
         * TerminalAnswer
         * @description One terminal.
         */
        TerminalAnswer: {
            terminal: components["schemas"]["TerminalInfo"];
        };
        /**
         * TerminalChoicesAnswer
         * @description The choices about a workspace's terminals, and the service's rule.
         */
        TerminalChoicesAnswer: {
            /** Moderated */
            moderated: boolean;
            /**
             * Policy
             * @description Of the service: off, optional or required; only optional leaves the choice.
             */
            policy: string;
            /** Record */
            record: boolean;
        };
        /**
         * TerminalChoicesRequest
         * @description The choices about a workspace's terminals.
         */
        TerminalChoicesRequest: {
            /**
             * Moderated
             * @description Others type only while a moderator is at the terminal.
             */
            moderated: boolean;
            /**
             * Record
             * @description Terminals are recorded.
             */
            record: boolean;
        };
        /**
         * TerminalConnection
         * @description How to reach a workspace's terminals.
         */
        TerminalConnection: {
            /** Ssh Host */
            ssh_host: string;
            /** Ssh Port */
            ssh_port: number;
            /**
             * Ticket
             * @description Opens this WebSocket once within 30 seconds, sent as the subprotocol nixws.ticket.TICKET.
             */
            ticket: string;
            /** Username */
            username: string;
            /** Websocket Url */
            websocket_url: string;
        };
        /**
         * TerminalConnectionAnswer
         * @description How to reach a workspace's terminals, with their list.
         */
        TerminalConnectionAnswer: {
            terminal: components["schemas"]["TerminalConnection"];
            /** Terminals */
            terminals: components["schemas"]["TerminalInfo"][];
        };
        /**
         * TerminalInfo
         * @description One terminal as the workspace lists it.
         */
        TerminalInfo: {
            /**
             * Active At
             * Format: date-time
             * @description Last input or output.
             */
            active_at: string;
            /**
             * Attached
             * @description Number of clients that are attached.
             */
            attached: number;
            /** Cols */
            cols: number;
            /**
             * Command
             * @description Empty for a login shell.
             */
            command: string;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Cwd */
            cwd: string;
            /**
             * End
             * @description Offset at which its output ends.
             */
            end: number;
            /**
             * Exit Status
             * @description Exit code, or 128 + signal; null while its program runs.
             */
            exit_status: number | null;
            /** Id */
            id: string;
            /** Name */
            name: string;
            /**
             * Process
             * @description Name of the foreground process.
             */
            process: string;
            /** Rows */
            rows: number;
            /**
             * Start
             * @description Offset of the first byte of output that is still kept.
             */
            start: number;
            /**
             * Title
             * @description What its program last set as the window's title.
             */
            title: string;
        };
        /**
         * TerminalLayout
         * @description The tabs, what is in each, and what is remembered of their terminals.
         */
        TerminalLayout: {
            /**
             * Boot
             * @description When the workspace was started whose terminals these are; empty where none were seen.
             * @default
             */
            boot: string;
            /**
             * Front
             * @description The terminal that was used last; empty for none.
             * @default
             */
            front: string;
            /** Tabs */
            tabs?: (components["schemas"]["LayoutPane"] | components["schemas"]["LayoutSplit"])[];
            /**
             * Terminals
             * @description By the ids of the terminals.
             */
            terminals?: {
                [key: string]: components["schemas"]["RememberedTerminal"];
            };
        };
        /**
         * TerminalList
         * @description The terminals of a workspace, oldest first.
         */
        TerminalList: {
            /** Terminals */
            terminals: components["schemas"]["TerminalInfo"][];
        };
        /**
         * TerminalRename
         * @description Another name for a terminal.
         */
        TerminalRename: {
            /** Name */
            name: string;
        };
        /**
         * TerminalRequest
         * @description A terminal to be opened.
         */
        TerminalRequest: {
            /**
             * Cols
             * @default 80
             */
            cols: number;
            /**
             * Command
             * @description Run by the login shell; empty for the login shell itself.
             * @default
             */
            command: string;
            /**
             * Cwd
             * @description Absolute path; empty for the home directory.
             * @default
             */
            cwd: string;
            /**
             * Name
             * @default
             */
            name: string;
            /**
             * Rows
             * @default 24
             */
            rows: number;
        };
        /**
         * TokenAnswer
         * @description An API token, without its secret.
         */
        TokenAnswer: {
            /**
             * Chain
             * @description All that it comes from, the first one first. It ends with each of the tokens, and outlives a session in which it was made.
             */
            chain: components["schemas"]["ChainLink"][];
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Expires At */
            expires_at: string | null;
            /** Id */
            id: string;
            /**
             * Last Used At
             * @description To the minute.
             */
            last_used_at: string | null;
            /** Name */
            name: string;
            /**
             * Parent Id
             * @description The token that it was made with, and ends with.
             */
            parent_id: string | null;
            /**
             * Prefix
             * @description The first letters of its secret; empty for old ones.
             */
            prefix: string;
            /** Scopes */
            scopes: string[] | null;
            /** Workspaces */
            workspaces: string[] | null;
        };
        /**
         * TokenList
         * @description Valid API tokens, newest first.
         */
        TokenList: {
            /** Tokens */
            tokens: components["schemas"]["TokenAnswer"][];
        };
        /**
         * TokenMade
         * @description A new token.
         */
        TokenMade: {
            /**
             * Secret
             * @description Shown this once. Send it as Authorization: Bearer TOKEN.
             */
            secret: string;
            token: components["schemas"]["TokenAnswer"];
        };
        /**
         * TokenRequest
         * @description A new token.
         */
        TokenRequest: {
            /**
             * Expires In
             * @default 90d
             * @example 10m
             * @example 1h
             */
            expires_in: string;
            /** Name */
            name: string;
            /**
             * Never Expires
             * @description Only for administrators.
             * @default false
             */
            never_expires: boolean;
            /**
             * Scopes
             * @description null: all that the credential that it is made with may do.
             */
            scopes?: ("workspaces:read" | "workspaces:write" | "terminals:attach" | "files:read" | "files:write" | "network" | "secrets" | "audit:read" | "metrics:read" | "admin")[] | null;
            /**
             * User
             * @description Id or handle of a service account to make it for; null: the caller.
             */
            user?: string | null;
            /**
             * Workspaces
             * @description Ids of the only workspaces that it reaches; null: all that its user reaches.
             */
            workspaces?: string[] | null;
        };
        /**
         * TransferAnswer
         * @description How far a transfer has come.
         */
        TransferAnswer: {
            /**
             * Expires At
             * @description Of an offer; null otherwise.
             */
            expires_at: string | null;
            /** @description offered: nothing changes before they accept; given: it is theirs. */
            state: components["schemas"]["TransferState"];
            /**
             * To
             * @description Handle of the new owner.
             */
            to: string;
        };
        /**
         * TransferList
         * @description The offers that wait for an answer, oldest first.
         */
        TransferList: {
            /**
             * Made
             * @description By the caller, who may withdraw them.
             */
            made: components["schemas"]["OfferAnswer"][];
            /**
             * Received
             * @description To the caller, who may accept or refuse them.
             */
            received: components["schemas"]["OfferAnswer"][];
        };
        /**
         * TransferRequest
         * @description The new owner of a workspace.
         */
        TransferRequest: {
            /** To */
            to: string;
        };
        /**
         * TransferState
         * @description How far a transfer has come.
         * @enum {string}
         */
        TransferState: "offered" | "given";
        /**
         * TunnelAccess
         * @description How to open a tunnel to a port inside a workspace.
         */
        TunnelAccess: {
            /**
             * Ticket
             * @description Opens this WebSocket once within 30 seconds, sent as the subprotocol nixws.ticket.TICKET.
             */
            ticket: string;
            /** Websocket Url */
            websocket_url: string;
        };
        /**
         * TunnelAccessAnswer
         * @description How to open a tunnel to a port inside a workspace.
         */
        TunnelAccessAnswer: {
            tunnel: components["schemas"]["TunnelAccess"];
        };
        /**
         * TypedRangeInfo
         * @description Bytes of a terminal's input from one person, without the bytes.
         */
        TypedRangeInfo: {
            /**
             * At Ms
             * @description Milliseconds since the recording began.
             */
            at_ms: number;
            /** End */
            end: number;
            /**
             * First
             * @description Number of the first byte, over everybody's input.
             */
            first: number;
            /** Name */
            name: string;
            /**
             * Offset
             * @description The terminal's output when they were typed.
             */
            offset: number;
            /** Principal */
            principal: string;
        };
        /**
         * TypedRangeList
         * @description The input of a terminal by person and time.
         */
        TypedRangeList: {
            /** Typed */
            typed: components["schemas"]["TypedRangeInfo"][];
        };
        /**
         * UnitsAnswer
         * @description The systemd units that differ; those of the user's own service manager begin with `user:`.
         */
        UnitsAnswer: {
            /** Added */
            added: string[];
            /** Changed */
            changed: string[];
            /** Removed */
            removed: string[];
        };
        /**
         * UpdateRequest
         * @description A partial update of name, resources and environment; an absent field keeps its value.
         */
        UpdateRequest: {
            /**
             * Cpu
             * @description Cores; fractions from 0.25.
             */
            cpu?: number;
            /**
             * Memory
             * @description GB of memory; fractions from 0.25, kept in whole MiB.
             */
            memory?: number;
            /**
             * Name
             * @description Unique; becomes the host name.
             */
            name?: string;
            /**
             * Packages
             * @description Order and duplicates do not matter.
             */
            packages?: string[];
            /**
             * Ports
             * @description TCP ports that the workspace's own firewall opens besides 22.
             */
            ports?: number[];
            /**
             * Storage
             * @description GB of storage; fractions from 0.25, kept in whole MiB.
             */
            storage?: number;
            /** Template */
            template?: string;
        };
        /**
         * UploadAnswer
         * @description The outcomes of an upload's files, in their order.
         */
        UploadAnswer: {
            /** Results */
            results: components["schemas"]["UploadResult"][];
        };
        /**
         * UploadResult
         * @description The outcome of one file of an upload.
         */
        UploadResult: {
            /** Created */
            created: boolean;
            error: components["schemas"]["FileProblem"] | null;
            /** Name */
            name: string;
            /** Path */
            path: string | null;
            /** Size */
            size: number;
        };
        /**
         * UsageAnswer
         * @description Quantities; GB are 2^30 bytes, a month is 730 hours.
         */
        UsageAnswer: {
            /** Cpu Hours Reserved */
            cpu_hours_reserved: number;
            /** Cpu Hours Used */
            cpu_hours_used: number;
            /** Egress Gb */
            egress_gb: number;
            /** Memory Gb Hours Reserved */
            memory_gb_hours_reserved: number;
            /** Memory Gb Hours Used */
            memory_gb_hours_used: number;
            /** Snapshot Gb Months */
            snapshot_gb_months: number;
            /** Storage Gb Months */
            storage_gb_months: number;
        };
        /**
         * UsageFigures
         * @description Present use: the first three in percent of the limits, the others in their own units.
         */
        UsageFigures: {
            /**
             * Cpu Cores
             * @description CPU time used, in cores.
             */
            cpu_cores: number;
            /**
             * Cpu Throttled
             * @description Seconds a second for which the limit of CPU held programs up.
             */
            cpu_throttled: number;
            /** Cpu Usage */
            cpu_usage: number;
            /**
             * Denied Packets
             * @description Packets that the network's rules did not let out, in this run.
             */
            denied_packets: number;
            /**
             * Disk Read
             * @description Bytes a second read from the volume.
             */
            disk_read: number;
            /**
             * Disk Written
             * @description Bytes a second written to the volume.
             */
            disk_written: number;
            /** Inodes */
            inodes: number;
            /** Inodes Capacity */
            inodes_capacity: number;
            /**
             * Memory Anon Bytes
             * @description Memory of programs that no file stands behind.
             */
            memory_anon_bytes: number;
            /**
             * Memory Bytes
             * @description Memory that cannot be given back: of programs and of the kernel.
             */
            memory_bytes: number;
            /**
             * Memory Cache Bytes
             * @description Page cache, which is given back when memory is short.
             */
            memory_cache_bytes: number;
            /** Memory Kernel Bytes */
            memory_kernel_bytes: number;
            /** Memory Limit Bytes */
            memory_limit_bytes: number;
            /** Memory Usage */
            memory_usage: number;
            /**
             * Network Received
             * @description Bytes a second that came in.
             */
            network_received: number;
            /**
             * Network Sent
             * @description Bytes a second that went out.
             */
            network_sent: number;
            /**
             * Oom Kills
             * @description Programs killed for want of memory, in this run.
             */
            oom_kills: number;
            /** @description null where the kernel does not tell it. */
            pressure: components["schemas"]["PressureAnswer"] | null;
            /**
             * Processes
             * @description Processes and threads.
             */
            processes: number;
            /** Storage Bytes */
            storage_bytes: number;
            /** Storage Capacity Bytes */
            storage_capacity_bytes: number;
            /** Storage Usage */
            storage_usage: number;
        };
        /**
         * UsageVerification
         * @description The outcome of comparing the records of use with their seals in the audit log.
         */
        UsageVerification: {
            /**
             * Findings
             * @description Each in a sentence; empty: nothing was changed.
             */
            findings: string[];
            /** Records */
            records: number;
            /** Seals */
            seals: number;
            /**
             * Unsealed
             * @description Records of the last minute, which no seal covers yet.
             */
            unsealed: number;
        };
        /**
         * UserAnswer
         * @description A user.
         */
        UserAnswer: {
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /** Display Name */
            display_name: string;
            /** Handle */
            handle: string;
            /** Has Password */
            has_password: boolean;
            /** Id */
            id: string;
            /** Kind */
            kind: string;
            /** Role */
            role: string;
            /** State */
            state: string;
        };
        /**
         * UserChangeRequest
         * @description A partial update of a user; suspending ends everything that is open under their credentials.
         */
        UserChangeRequest: {
            /** Display Name */
            display_name?: string;
            /**
             * Role
             * @enum {string}
             */
            role?: "admin" | "member" | "auditor";
            /**
             * State
             * @enum {string}
             */
            state?: "active" | "suspended";
        };
        /**
         * UserDetail
         * @description One user.
         */
        UserDetail: {
            user: components["schemas"]["UserAnswer"];
        };
        /**
         * UserList
         * @description All users, by their handles.
         */
        UserList: {
            /** Users */
            users: components["schemas"]["UserAnswer"][];
        };
        /**
         * UserRequest
         * @description A new user.
         */
        UserRequest: {
            /**
             * Display Name
             * @description Empty: the handle.
             * @default
             */
            display_name: string;
            /**
             * Handle
             * @description Unique and for ever.
             */
            handle: string;
            /**
             * Kind
             * @description A service account has tokens that administrators make, and never signs in.
             * @default person
             * @enum {string}
             */
            kind: "person" | "service_account";
            /**
             * Role
             * @default member
             * @enum {string}
             */
            role: "admin" | "member" | "auditor";
        };
        /**
         * UserSessionAnswer
         * @description A browser that is signed in.
         */
        UserSessionAnswer: {
            /** Address */
            address: string;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Device
             * @description The program, as it names itself.
             */
            device: string;
            /** Expires At */
            expires_at: string | null;
            /** Id */
            id: string;
            /**
             * Idle Until
             * @description It ends then unless it is used.
             */
            idle_until: string | null;
            /**
             * Is Current
             * @description It is the one that this request came with.
             */
            is_current: boolean;
            /** Last Used At */
            last_used_at: string | null;
        };
        /**
         * UserSessionList
         * @description The caller's sessions, newest first.
         */
        UserSessionList: {
            /** Sessions */
            sessions: components["schemas"]["UserSessionAnswer"][];
        };
        /**
         * Visibility
         * @description The people that may see a port's preview.
         * @enum {string}
         */
        Visibility: "private" | "signed_in" | "link";
        /**
         * WhyAnswer
         * @description Why a workspace does not run, is slow or is not reached, in one sentence.
         */
        WhyAnswer: {
            /**
             * Checks
             * @description Each line of the specification's troubleshooting, in its order.
             */
            checks: components["schemas"]["CheckAnswer"][];
            /**
             * Code
             * @description Of the sentence; stable.
             */
            code: string;
            /** Evidence */
            evidence: components["schemas"]["EvidenceAnswer"][];
            next: components["schemas"]["NextStepAnswer"];
            /** @description The complaint that is answered; null where nothing is wrong. */
            question: components["schemas"]["Question"] | null;
            /** @description The finding by its code; the code of a bad one stands for its remedy too. */
            said: components["schemas"]["SentenceAnswer"];
            /** Sentence */
            sentence: string;
        };
        /**
         * WorkspaceAnswer
         * @description One workspace, as the specification nests it.
         */
        WorkspaceAnswer: {
            workspace: components["schemas"]["WorkspaceDetail"];
        };
        /**
         * WorkspaceDetail
         * @description One workspace in full.
         */
        WorkspaceDetail: {
            config: components["schemas"]["ConfigAnswer"];
            /** @description Told where one workspace is asked for while it runs; null otherwise. */
            connectivity?: components["schemas"]["ConnectivityAnswer"] | null;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            /**
             * Encryption
             * @description How the volume is encrypted; empty until it is made.
             */
            encryption: string;
            fault: components["schemas"]["FaultAnswer"] | null;
            /**
             * Generation
             * @description The generation that boots next, or has booted.
             */
            generation: number | null;
            /** Hostname */
            hostname: string;
            /** Id */
            id: string;
            /**
             * Last Accessed
             * Format: date-time
             */
            last_accessed: string;
            /** @description null while the workspace does not run. */
            metrics: components["schemas"]["UsageFigures"] | null;
            /** Name */
            name: string;
            /**
             * Notice
             * @description What its owner should know although nothing failed.
             */
            notice: string | null;
            /** @description The notice by its code; null where there is none. */
            notice_said: components["schemas"]["SentenceAnswer"] | null;
            /**
             * Oom Kills
             * @description Processes killed since the last boot because the memory limit was reached.
             */
            oom_kills: number;
            /** Owner */
            owner: string;
            /**
             * Owner Name
             * @description The owner's handle; the id where there is none.
             */
            owner_name: string;
            /** Package Set */
            package_set: string;
            /**
             * Phases
             * @description The phases of the present work with their times, or of the last; ready ends one that succeeded.
             */
            phases: components["schemas"]["PhaseAnswer"][];
            progress: components["schemas"]["ProgressAnswer"] | null;
            /** @description Of the caller. editor: works in it; reader, viewer: looks at it, with or without its files; typist, watcher, visitor: one terminal or one port of it; none: sees it by their role. */
            relation: components["schemas"]["Relation"];
            /**
             * Ssh Host Key
             * @description The machine's public host key, one line, to pin; empty until it has one.
             */
            ssh_host_key: string;
            /** @description null while the workspace does not run. */
            ssh_info: components["schemas"]["SshInfo"] | null;
            /** Started At */
            started_at: string | null;
            status: components["schemas"]["Status"];
            /** @description Why it was stopped or paused last; null once it is to run again. */
            stop_reason?: components["schemas"]["StopReasonAnswer"] | null;
            /**
             * Toplevel
             * @description Store path of that generation; empty before the first build.
             */
            toplevel: string;
        };
        /**
         * WorkspaceList
         * @description A page of workspaces.
         */
        WorkspaceList: {
            /**
             * Next Cursor
             * @description Give it as cursor for the next page; null on the last one.
             */
            next_cursor: string | null;
            /** Workspaces */
            workspaces: components["schemas"]["WorkspaceSummary"][];
        };
        /**
         * WorkspaceSummary
         * @description One workspace in a list.
         */
        WorkspaceSummary: {
            /** Cpu */
            cpu: number;
            /**
             * Created At
             * Format: date-time
             */
            created_at: string;
            desired: components["schemas"]["Desire"];
            fault: components["schemas"]["FaultAnswer"] | null;
            /** Id */
            id: string;
            /**
             * Last Accessed
             * Format: date-time
             */
            last_accessed: string;
            /** Memory */
            memory: number;
            /** Name */
            name: string;
            /** Owner */
            owner: string;
            /**
             * Owner Name
             * @description The owner's handle; the id where there is none.
             */
            owner_name: string;
            /** Package Set */
            package_set: string;
            /** Packages */
            packages: string[];
            /** Ports */
            ports: number[];
            progress: components["schemas"]["ProgressAnswer"] | null;
            /** @description Of the caller. editor: works in it; reader, viewer: looks at it, with or without its files; typist, watcher, visitor: one terminal or one port of it; none: sees it by their role. */
            relation: components["schemas"]["Relation"];
            /**
             * Started At
             * @description Begin of the present or the last run.
             */
            started_at: string | null;
            status: components["schemas"]["Status"];
            /** Storage */
            storage: number;
            /** Template */
            template: string;
            /** @description Measured at most 10 seconds ago, in lists; null where nothing is known. */
            usage?: components["schemas"]["MetricsAnswer"] | null;
        };
        /**
         * WrittenAnswer
         * @description A file that was written or changed.
         */
        WrittenAnswer: {
            /**
             * Created
             * @default false
             */
            created: boolean;
            /** Etag */
            etag?: string | null;
            file: components["schemas"]["FileAnswer"];
            /**
             * Lost
             * @description What in_place could not keep.
             * @default []
             */
            lost: components["schemas"]["Loss"][];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
