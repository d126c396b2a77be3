"""What the dashboards show, each panel once: its question as title, its unit, and the queries that answer it.

A query names metrics without namespace and instance; `scoped` adds the dashboard's variables. Where a query divides by
what may be nothing, it has no series then: an empty panel of a running installation is a fault (`checks`).
"""

from __future__ import annotations

from streams.watching.panel import RATE, Board, Panel, one, quantile, rate

SPREADING = Board(
    "credence-spreading",
    "Credence: what is spreading",
    "For who leads trust: what rises, and how flags fare.",
    (
        (
            "Now",
            (
                Panel("Open claims", one("sum(credence_open_claims)"), kind="number", width=4),
                Panel(
                    "Rising fast: over 10 events expected within a day",
                    one('sum(credence_rising_claims{growth=~"10 to 100|over 100"})'),
                    kind="number",
                    width=4,
                ),
                Panel("Flags that stand", one("sum(credence_standing_flags)"), kind="number", width=4),
                Panel(
                    "Flags switched off (1 paused, 2 killed)",
                    one(
                        'max(credence_flags_switched_ratio{switch="paused"})'
                        ' + max(credence_flags_switched_ratio{switch="killed"})'
                    ),
                    kind="number",
                    width=4,
                ),
                Panel(
                    "Flags right, of those that a verdict met",
                    one(
                        'sum(credence_flags_ruled_total{verdict="false"})'
                        ' / sum(credence_flags_ruled_total{verdict=~"true|false"})'
                    ),
                    "percentunit",
                    "number",
                    8,
                ),
            ),
        ),
        (
            "Over time",
            (
                Panel(
                    "Open claims by events expected within a day",
                    one("sum by (growth) (credence_rising_claims)", "{{growth}}"),
                    kind="areas",
                    width=12,
                ),
                Panel("Flags by rule", one("sum by (rule) (credence_standing_flags)", "{{rule}}"), width=12),
                Panel(
                    "Flags raised, updated, retracted",
                    one(rate("credence_flags_total", "action"), "{{action}}"),
                    "ops",
                ),
                Panel(
                    "Flags raised, by severity",
                    one(rate("credence_flags_total", "severity", '{action="raise"}'), "{{severity}}"),
                    "ops",
                    "areas",
                ),
                Panel(
                    "From the first post to the flag (event time, half of the flags)",
                    one(quantile(0.5, "credence_flag_delay_seconds")),
                    "s",
                ),
                Panel(
                    "Why flags were taken back",
                    one("sum by (because) (credence_flags_retracted_total)", "{{because}}"),
                    kind="bars",
                    width=12,
                ),
                Panel(
                    "Events coming in",
                    one(rate("credence_rows_total", "stage", '{stage="intake"}'), "events"),
                    "ops",
                    width=12,
                ),
            ),
        ),
    ),
)
PIPELINE = Board(
    "credence-pipeline",
    "Credence: pipeline health",
    "For who is on call: is everything there, fresh, and moving.",
    (
        (
            "Is it healthy",
            (
                Panel("Processes that answer", one('sum(up{job=~"credence-.*"})'), kind="number", width=4),
                Panel("Stands still for", one("max(credence_stalled_seconds)"), "s", "number", 4),
                Panel("Lag", one("max(credence_lag_seconds)"), "s", "number", 4),
                Panel("Query service behind", one("max(credence_api_behind_seconds)"), "s", "number", 4),
                Panel(
                    "Scores within 5 s",
                    one(
                        'sum(credence_freshness_seconds_bucket{stage="claims",le="5.0"})'
                        ' / sum(credence_freshness_seconds_count{stage="claims"})'
                    ),
                    "percentunit",
                    "number",
                    4,
                ),
                Panel("Dead letters", one("sum(credence_dead_letters_total)"), kind="number", width=4),
            ),
        ),
        (
            "Flow",
            (
                Panel("Rows a second, by stage", one(rate("credence_rows_total", "stage"), "{{stage}}"), "ops"),
                Panel("Lag in records, by stage", one("sum by (stage) (credence_lag_records)", "{{stage}}")),
                Panel("Lag in seconds, by stage", one("max by (stage) (credence_lag_seconds)", "{{stage}}"), "s"),
                Panel(
                    "From Kafka to the score",
                    (
                        (quantile(0.5, "credence_freshness_seconds", ",stage"), "{{stage}} half"),
                        (quantile(0.99, "credence_freshness_seconds", ",stage"), "{{stage}} 99 %"),
                    ),
                    "s",
                ),
                Panel("A step, 99 %", one(quantile(0.99, "credence_batch_seconds", ",stage"), "{{stage}}"), "s"),
                Panel("Records refused, by reason", one("sum by (code) (credence_dead_letters_total)", "{{code}}")),
            ),
        ),
        (
            "Where the time goes",
            (
                Panel(
                    "Time of the stages, by what is done",
                    one(
                        f"sum by (work) (rate(credence_stage_seconds_total[{RATE}])) / ignoring (work) group_left ()"
                        f" sum(rate(credence_stage_seconds_total[{RATE}]))",
                        "{{work}}",
                    ),
                    "percentunit",
                    "areas",
                    12,
                ),
                Panel(
                    "Busy share of a stage",
                    one(
                        'sum by (stage) (rate(credence_stage_seconds_total{work!="waiting"}[$__rate_interval]))'
                        f" / sum by (stage) (rate(credence_stage_seconds_total[{RATE}]))",
                        "{{stage}}",
                    ),
                    "percentunit",
                    width=12,
                ),
            ),
        ),
        (
            "Processes",
            (
                Panel(
                    "Memory, with the child's",
                    one("sum by (instance, process) (credence_memory_bytes)", "{{instance}} {{process}}"),
                    "bytes",
                ),
                Panel("Partitions held", one("sum by (stage) (credence_owned_partitions)", "{{stage}}")),
                Panel("Rows of state", one("sum by (stage) (credence_state_rows)", "{{stage}}")),
                Panel(
                    "Rebalances and partitions claimed",
                    (("sum(credence_rebalances_total)", "rebalances"), ("sum(credence_fences_total)", "claimed")),
                ),
                Panel("Commits a second", one(rate("credence_commits_total", "instance"), "{{instance}}"), "ops"),
                Panel("Started", one("process_start_time_seconds * 1000", "{{instance}}"), "dateTimeAsIso"),
            ),
        ),
        (
            "Query service",
            (
                Panel(
                    "Requests a second, by route",
                    one(rate("credence_api_requests_total", "route"), "{{route}}"),
                    "ops",
                ),
                Panel(
                    "Requests that failed (5xx)",
                    one(rate("credence_api_requests_total", "route", '{status="5xx"}'), "{{route}}"),
                    "ops",
                ),
                Panel(
                    "Time to answer, 95 %",
                    one(f"histogram_quantile(0.95, sum by (le) (rate(credence_api_request_seconds_bucket[{RATE}])))"),
                    "s",
                ),
                Panel("Records it can answer with", one("sum by (kind) (credence_api_records)", "{{kind}}"), width=24),
            ),
        ),
    ),
)
QUALITY = Board(
    "credence-quality",
    "Credence: scoring quality",
    "Whether scores and flags keep what they promise, by verdicts and by people's decisions.",
    (
        (
            "Flags",
            (
                Panel(
                    "Right, of the flags that a verdict met",
                    one(
                        'sum(credence_flags_ruled_total{verdict="false"})'
                        ' / sum(credence_flags_ruled_total{verdict=~"true|false"})'
                    ),
                    "percentunit",
                    width=12,
                ),
                Panel(
                    "Flags by what verdicts found",
                    one("sum by (verdict) (credence_flags_ruled_total)", "{{verdict}}"),
                    kind="bars",
                    width=12,
                ),
                Panel(
                    "Flags that people decided on: right (confirmed) and wrong (dismissed), by rule",
                    one('sum by (rule, found) (credence_judged_flags{judge="decisions"})', "{{rule}} {{found}}"),
                    width=24,
                ),
            ),
        ),
        (
            "Calibration",
            (
                Panel(
                    "Falsehoods expected and found, by risk",
                    (
                        (
                            "sum by (risk) (credence_settled_expected_total)"
                            " / (sum by (risk) (credence_settled_claims_total) > 0)",
                            "expected {{risk}}",
                        ),
                        (
                            "sum by (risk) (credence_settled_false_total)"
                            " / (sum by (risk) (credence_settled_claims_total) > 0)",
                            "found {{risk}}",
                        ),
                    ),
                    "percentunit",
                    "bars",
                    12,
                ),
                Panel(
                    "Found less expected, of all that was settled",
                    one(
                        "(sum(credence_settled_false_total) - sum(credence_settled_expected_total))"
                        " / sum(credence_settled_claims_total)"
                    ),
                    "percentunit",
                ),
                Panel(
                    "Claims settled, by risk", one("sum by (risk) (credence_settled_claims_total)", "{{risk}}"), width=4
                ),
            ),
        ),
        (
            "What verdicts are",
            (
                Panel(
                    "Share of falsehoods: latest verdicts, and all",
                    (
                        ('max(credence_learned_value{parameter="recent_false"})', "latest"),
                        ("sum(credence_settled_false_total) / sum(credence_settled_claims_total)", "all"),
                    ),
                    "percentunit",
                ),
                Panel("Rulings by what became of them", one("sum by (fate) (credence_rulings_total)", "{{fate}}")),
                Panel(
                    "Share of the busiest rater and community",
                    one("max by (of) (credence_ruling_share_ratio)", "{{of}}"),
                    "percentunit",
                ),
                Panel("Threshold of flags, in nats", one('max(credence_learned_value{parameter="flag_z"})')),
                Panel(
                    "Calibration of the risk and the score",
                    one('max by (parameter) (credence_learned_value{parameter=~".*_cal_.*"})', "{{parameter}}"),
                ),
                Panel(
                    "How scores read",
                    one(rate("credence_scores_total", "band", '{subject="claim"}'), "{{band}}"),
                    "ops",
                    "areas",
                ),
            ),
        ),
    ),
)
COMMUNITIES = Board(
    "credence-communities",
    "Credence: communities",
    "How communities fare, as means over them: never a person.",
    (
        (
            "Health",
            (
                Panel(
                    "Communities whose signs can be told",
                    one('sum(credence_known_communities{evidence="enough"})'),
                    kind="number",
                    width=6,
                ),
                Panel(
                    "Vital signs, mean over communities",
                    one("max by (sign) (credence_communities_ratio)", "{{sign}}"),
                    "percentunit",
                    width=18,
                ),
                Panel(
                    "Dissent, and what of it stayed hidden until the verdict",
                    one('max by (sign) (credence_communities_ratio{sign=~"dissent|hidden_dissent"})', "{{sign}}"),
                    "percentunit",
                ),
                Panel(
                    "Echo and insularity",
                    one('max by (sign) (credence_communities_ratio{sign=~"echo_index|insularity"})', "{{sign}}"),
                    "percentunit",
                ),
                Panel(
                    "Accuracy and bridging",
                    one('max by (sign) (credence_communities_ratio{sign=~"accuracy|bridging"})', "{{sign}}"),
                    "percentunit",
                ),
            ),
        ),
        (
            "Accounts that act as one",
            (
                Panel(
                    "Told that they do, or no longer do",
                    one("sum by (cluster) (credence_assignments_total)", "{{cluster}}"),
                    width=12,
                ),
                Panel(
                    "Communities, by whether signs can be told",
                    one("sum by (evidence) (credence_known_communities)", "{{evidence}}"),
                    kind="areas",
                    width=12,
                ),
            ),
        ),
    ),
)
BOARDS = (SPREADING, PIPELINE, QUALITY, COMMUNITIES)
