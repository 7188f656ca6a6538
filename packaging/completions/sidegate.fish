# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_sidegate_global_optspecs
    string join \n h/help V/version
end

function __fish_sidegate_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_sidegate_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_sidegate_using_subcommand
    set -l cmd (__fish_sidegate_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c sidegate -n "__fish_sidegate_needs_command" -s h -l help -d 'Print help'
complete -c sidegate -n "__fish_sidegate_needs_command" -s V -l version -d 'Print version'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "serve" -d 'Run the sidecar'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "check" -d 'Check a policy set and report everything that is wrong with it'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "compile" -d 'Print the Cedar policies that a policy set means'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "test" -d 'Run the policy tests of a policy set, and say what they cover'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "authorize" -d 'Decide one question by a policy set; the exit code is 0 for allow and 2 for deny'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "explain" -d 'Explain one decision: what it rests on or what is missing, then every policy that was considered'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "access" -d 'Show what a user may do: modules, actions, conditions, gates, preset'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "menu" -d 'Show the menu of a user, and what each hidden item lacks'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "matrix" -d 'Print what roles, or users, may do in every module'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "audit" -d 'Read the audit log: of an instance that is stopped (`--data`) or of one that runs (`--admin`)'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "directory" -d 'Move users in and out, and keep the whole directory safe'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "review" -d 'Review access: who has what, since when, given by whom and why, until when, and when it was last used'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "token" -d 'Make a bearer token for the admin listener, and the entry of `server.admin.tokens` that takes it; or for a caller of the authorize listener (`--caller`), and the entry of `server.authorize.callers`'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "doctor" -d 'Look at an instance, running or stopped, and say in plain words what is wrong and what to do'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "init" -d 'Write a small policy set with tests, and a configuration that serves it, into a directory that is new or empty'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "schema" -d 'Print the JSON Schema of a kind of file, for editors that complete and check while typing'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "completions" -d 'Print completions for a shell'
complete -c sidegate -n "__fish_sidegate_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sidegate -n "__fish_sidegate_using_subcommand serve" -l config -d 'The configuration file' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand serve" -l policies -d 'The directory of the policy set (`policies.directory`)' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand serve" -l data -d 'The data directory (`audit.directory`)' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand serve" -l authorize-listen -d 'Where applications ask (`server.authorize.listen`)' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand serve" -l admin-listen -d 'Where administrators are served (`server.admin.listen`)' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand serve" -l ops-listen -d 'Where metrics and probes are (`server.ops.listen`)' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand serve" -l check-config -d 'Check the configuration and end'
complete -c sidegate -n "__fish_sidegate_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand check" -l forbid-errors -d 'What an evaluation error in a `forbid` means' -r -f -a "deny\t'The decision is a deny'
skip\t'The policy is left out, as Cedar has it'"
complete -c sidegate -n "__fish_sidegate_using_subcommand check" -l principal-type -d 'The Cedar type of users in a policy set of plain Cedar' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand check" -l output -d 'How to print the result' -r -f -a "human\t'For people'
json\t'One JSON document'"
complete -c sidegate -n "__fish_sidegate_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand compile" -l forbid-errors -d 'What an evaluation error in a `forbid` means' -r -f -a "deny\t'The decision is a deny'
skip\t'The policy is left out, as Cedar has it'"
complete -c sidegate -n "__fish_sidegate_using_subcommand compile" -l principal-type -d 'The Cedar type of users in a policy set of plain Cedar' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand compile" -l output -d 'How to print the result: Cedar text for people' -r -f -a "human\t'For people'
json\t'One JSON document'"
complete -c sidegate -n "__fish_sidegate_using_subcommand compile" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand test" -l forbid-errors -d 'What an evaluation error in a `forbid` means' -r -f -a "deny\t'The decision is a deny'
skip\t'The policy is left out, as Cedar has it'"
complete -c sidegate -n "__fish_sidegate_using_subcommand test" -l principal-type -d 'The Cedar type of users in a policy set of plain Cedar' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand test" -l filter -d 'Run the tests alone whose name, file or rule has this text in it' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand test" -l min-coverage -d 'Fail where less than this share is covered: policies that decided, conditions that failed to hold, cells that were asked, routes that were found' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand test" -l output -d 'How to print the result' -r -f -a "human\t'For people'
json\t'One JSON document'
junit\t'The XML that CI systems show'"
complete -c sidegate -n "__fish_sidegate_using_subcommand test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand authorize" -l forbid-errors -d 'What an evaluation error in a `forbid` means' -r -f -a "deny\t'The decision is a deny'
skip\t'The policy is left out, as Cedar has it'"
complete -c sidegate -n "__fish_sidegate_using_subcommand authorize" -l principal-type -d 'The Cedar type of users in a policy set of plain Cedar' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand authorize" -l user -d 'Who asks' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand authorize" -l action -d 'What for' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand authorize" -l resource -d 'On what: a resource type or module, with an id where it matters' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand authorize" -l tenant -d 'In which tenant' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand authorize" -l attribute -d 'An attribute of the resource; values that are JSON are read as such. May be repeated' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand authorize" -l context -d 'A member of the context; values that are JSON are read as such. May be repeated' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand authorize" -l request -d 'A file with the body of a request, or `-` for standard input' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand authorize" -l at -d 'When it is asked, in RFC 3339; now where it is left out' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand authorize" -l output -d 'How to print the result' -r -f -a "human\t'For people'
json\t'One JSON document'"
complete -c sidegate -n "__fish_sidegate_using_subcommand authorize" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand explain" -l forbid-errors -d 'What an evaluation error in a `forbid` means' -r -f -a "deny\t'The decision is a deny'
skip\t'The policy is left out, as Cedar has it'"
complete -c sidegate -n "__fish_sidegate_using_subcommand explain" -l principal-type -d 'The Cedar type of users in a policy set of plain Cedar' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand explain" -l user -d 'Who asks' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand explain" -l action -d 'What for' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand explain" -l resource -d 'On what: a resource type or module, with an id where it matters' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand explain" -l tenant -d 'In which tenant' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand explain" -l attribute -d 'An attribute of the resource; values that are JSON are read as such. May be repeated' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand explain" -l context -d 'A member of the context; values that are JSON are read as such. May be repeated' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand explain" -l request -d 'A file with the body of a request, or `-` for standard input' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand explain" -l at -d 'When it is asked, in RFC 3339; now where it is left out' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand explain" -l output -d 'How to print the result' -r -f -a "human\t'For people'
json\t'One JSON document'"
complete -c sidegate -n "__fish_sidegate_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand access" -l forbid-errors -d 'What an evaluation error in a `forbid` means' -r -f -a "deny\t'The decision is a deny'
skip\t'The policy is left out, as Cedar has it'"
complete -c sidegate -n "__fish_sidegate_using_subcommand access" -l principal-type -d 'The Cedar type of users in a policy set of plain Cedar' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand access" -l user -d 'The user' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand access" -l configuration -d 'A file with the JSON of a configuration that is not saved, or `-` for standard input' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand access" -l tenant -d 'In which tenant' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand access" -l at -d 'At which time, in RFC 3339; now where it is left out' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand access" -l output -d 'How to print the result' -r -f -a "human\t'For people'
json\t'One JSON document'"
complete -c sidegate -n "__fish_sidegate_using_subcommand access" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand menu" -l forbid-errors -d 'What an evaluation error in a `forbid` means' -r -f -a "deny\t'The decision is a deny'
skip\t'The policy is left out, as Cedar has it'"
complete -c sidegate -n "__fish_sidegate_using_subcommand menu" -l principal-type -d 'The Cedar type of users in a policy set of plain Cedar' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand menu" -l user -d 'The user' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand menu" -l configuration -d 'A file with the JSON of a configuration that is not saved, or `-` for standard input' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand menu" -l tenant -d 'In which tenant' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand menu" -l at -d 'At which time, in RFC 3339; now where it is left out' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand menu" -l output -d 'How to print the result' -r -f -a "human\t'For people'
json\t'One JSON document'"
complete -c sidegate -n "__fish_sidegate_using_subcommand menu" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand matrix" -l forbid-errors -d 'What an evaluation error in a `forbid` means' -r -f -a "deny\t'The decision is a deny'
skip\t'The policy is left out, as Cedar has it'"
complete -c sidegate -n "__fish_sidegate_using_subcommand matrix" -l principal-type -d 'The Cedar type of users in a policy set of plain Cedar' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand matrix" -l tenant -d 'In which tenant' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand matrix" -l at -d 'At which time, in RFC 3339; now where it is left out' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand matrix" -l output -d 'How to print the result' -r -f -a "human\t'A table for people'
markdown\t'A table in Markdown'
csv\t'RFC 4180'
json\t'One JSON document'"
complete -c sidegate -n "__fish_sidegate_using_subcommand matrix" -l users -d 'Users in the rows instead of roles'
complete -c sidegate -n "__fish_sidegate_using_subcommand matrix" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and not __fish_seen_subcommand_from list export stats verify help" -s h -l help -d 'Print help'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and not __fish_seen_subcommand_from list export stats verify help" -f -a "list" -d 'List records, newest first, a page at a time'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and not __fish_seen_subcommand_from list export stats verify help" -f -a "export" -d 'Write all records that match, as CSV or NDJSON'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and not __fish_seen_subcommand_from list export stats verify help" -f -a "stats" -d 'How much there is, since when, who is named most often, and what was denied'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and not __fish_seen_subcommand_from list export stats verify help" -f -a "verify" -d 'Check that the log is as it was written: every link, number, manifest, tombstone, anchor and checkpoint'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and not __fish_seen_subcommand_from list export stats verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l data -d 'The data directory of an instance that is stopped' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l admin -d 'The admin listener of an instance that runs, such as `http://127.0.0.1:8481`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l token -d 'The bearer token for `--admin`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l ca -d 'Certificates in PEM on which that of `--admin` must rest; without it those that the system trusts' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l client-certificate -d 'The certificate in PEM that is shown to `--admin`' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l client-key -d 'Its key in PEM' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l user -d 'The user who asked' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l actor -d 'Who acted through the application' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l tenant -d 'The tenant' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l module -d 'The module' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l action -d 'The action' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l resource-type -d 'The resource\'s type' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l resource-id -d 'The resource\'s id' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l decision -d '`allow` or `deny`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l kind -d '`decision`, `activity`, `directory`, `session`, `policy` or `system`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l policy -d 'A policy that determined the decision' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l revision -d 'The revision of the policies' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l trace-id -d 'The trace that the request belongs to' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l from -d 'Not before this time, such as `2027-01-31T08:00:00Z`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l to -d 'Before this time' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l order -d '`asc` (oldest first) or `desc`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l limit -d 'At most so many records' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l cursor -d 'Only records after this one: what an earlier list named to go on' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -l output -d 'How to print the records' -r -f -a "human\t'For people'
json\t'One JSON document'"
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l data -d 'The data directory of an instance that is stopped' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l admin -d 'The admin listener of an instance that runs, such as `http://127.0.0.1:8481`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l token -d 'The bearer token for `--admin`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l ca -d 'Certificates in PEM on which that of `--admin` must rest; without it those that the system trusts' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l client-certificate -d 'The certificate in PEM that is shown to `--admin`' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l client-key -d 'Its key in PEM' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l user -d 'The user who asked' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l actor -d 'Who acted through the application' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l tenant -d 'The tenant' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l module -d 'The module' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l action -d 'The action' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l resource-type -d 'The resource\'s type' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l resource-id -d 'The resource\'s id' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l decision -d '`allow` or `deny`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l kind -d '`decision`, `activity`, `directory`, `session`, `policy` or `system`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l policy -d 'A policy that determined the decision' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l revision -d 'The revision of the policies' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l trace-id -d 'The trace that the request belongs to' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l from -d 'Not before this time, such as `2027-01-31T08:00:00Z`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l to -d 'Before this time' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l order -d '`asc` (oldest first) or `desc`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l limit -d 'At most so many records' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l after-seq -d 'Go on after this record, the last whole one of an export that broke off; a CSV gets no second head' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -l format -d 'The form' -r -f -a "csv\t'RFC 4180; texts that a spreadsheet would take for formulas get an apostrophe in front'
ndjson\t'A JSON object a line'"
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l data -d 'The data directory of an instance that is stopped' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l admin -d 'The admin listener of an instance that runs, such as `http://127.0.0.1:8481`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l token -d 'The bearer token for `--admin`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l ca -d 'Certificates in PEM on which that of `--admin` must rest; without it those that the system trusts' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l client-certificate -d 'The certificate in PEM that is shown to `--admin`' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l client-key -d 'Its key in PEM' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l user -d 'The user who asked' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l actor -d 'Who acted through the application' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l tenant -d 'The tenant' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l module -d 'The module' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l action -d 'The action' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l resource-type -d 'The resource\'s type' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l resource-id -d 'The resource\'s id' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l decision -d '`allow` or `deny`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l kind -d '`decision`, `activity`, `directory`, `session`, `policy` or `system`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l policy -d 'A policy that determined the decision' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l revision -d 'The revision of the policies' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l trace-id -d 'The trace that the request belongs to' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l from -d 'Not before this time, such as `2027-01-31T08:00:00Z`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l to -d 'Before this time' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -l output -d 'How to print the figures' -r -f -a "human\t'For people'
json\t'One JSON document'"
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from stats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l data -d 'The data directory' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l checkpoint -d 'A file of checkpoints that was kept elsewhere, one a line' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l public-key -d 'The public keys that are trusted, in PEM; with it, what is signed must be signed with one of them' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l scratch -d 'Where segments are copied to, one at a time [default: the system\'s directory for temporary files]' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from verify" -l output -d 'How to print what was found' -r -f -a "human\t'For people'
json\t'One JSON document'"
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "list" -d 'List records, newest first, a page at a time'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "export" -d 'Write all records that match, as CSV or NDJSON'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "stats" -d 'How much there is, since when, who is named most often, and what was denied'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Check that the log is as it was written: every link, number, manifest, tombstone, anchor and checkpoint'
complete -c sidegate -n "__fish_sidegate_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and not __fish_seen_subcommand_from import export backup restore help" -s h -l help -d 'Print help'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and not __fish_seen_subcommand_from import export backup restore help" -f -a "import" -d 'Create and change users as a file says, all or none. The form is told by the file\'s name, or by `--format`'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and not __fish_seen_subcommand_from import export backup restore help" -f -a "export" -d 'Write users to standard output, in a form that an import reads'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and not __fish_seen_subcommand_from import export backup restore help" -f -a "backup" -d 'Write the whole directory to standard output: users, roles that were put together, invitations, sessions'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and not __fish_seen_subcommand_from import export backup restore help" -f -a "restore" -d 'Put a backup in the place of the whole directory. A file that is not whole is refused before anything changes'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and not __fish_seen_subcommand_from import export backup restore help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from import" -l admin -d 'The admin listener of an instance that runs, such as `http://127.0.0.1:8481`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from import" -l token -d 'The bearer token for `--admin`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from import" -l ca -d 'Certificates in PEM on which that of `--admin` must rest; without it those that the system trusts' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from import" -l client-certificate -d 'The certificate in PEM that is shown to `--admin`' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from import" -l client-key -d 'Its key in PEM' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from import" -l format -d 'The form of the file' -r -f -a "json\t'A user a line'
yaml\t'A list of users'
csv\t'A table; attributes and assignments are JSON in their cells'"
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from import" -l tenant -d 'The tenant in which the call is made' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from import" -l dry-run -d 'Only say what would happen'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from export" -l admin -d 'The admin listener of an instance that runs, such as `http://127.0.0.1:8481`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from export" -l token -d 'The bearer token for `--admin`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from export" -l ca -d 'Certificates in PEM on which that of `--admin` must rest; without it those that the system trusts' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from export" -l client-certificate -d 'The certificate in PEM that is shown to `--admin`' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from export" -l client-key -d 'Its key in PEM' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from export" -l format -d 'The form of the file' -r -f -a "json\t'A user a line'
yaml\t'A list of users'
csv\t'A table; attributes and assignments are JSON in their cells'"
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from export" -l tenant -d 'Only what counts in this tenant' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from backup" -l data -d 'The data directory of an instance that is stopped' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from backup" -l admin -d 'The admin listener of an instance that runs, such as `http://127.0.0.1:8481`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from backup" -l token -d 'The bearer token for `--admin`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from backup" -l ca -d 'Certificates in PEM on which that of `--admin` must rest; without it those that the system trusts' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from backup" -l client-certificate -d 'The certificate in PEM that is shown to `--admin`' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from backup" -l client-key -d 'Its key in PEM' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from backup" -s h -l help -d 'Print help'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from restore" -l data -d 'The data directory of an instance that is stopped' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from restore" -l admin -d 'The admin listener of an instance that runs, such as `http://127.0.0.1:8481`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from restore" -l token -d 'The bearer token for `--admin`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from restore" -l ca -d 'Certificates in PEM on which that of `--admin` must rest; without it those that the system trusts' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from restore" -l client-certificate -d 'The certificate in PEM that is shown to `--admin`' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from restore" -l client-key -d 'Its key in PEM' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from restore" -s h -l help -d 'Print help'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from help" -f -a "import" -d 'Create and change users as a file says, all or none. The form is told by the file\'s name, or by `--format`'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from help" -f -a "export" -d 'Write users to standard output, in a form that an import reads'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from help" -f -a "backup" -d 'Write the whole directory to standard output: users, roles that were put together, invitations, sessions'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from help" -f -a "restore" -d 'Put a backup in the place of the whole directory. A file that is not whole is refused before anything changes'
complete -c sidegate -n "__fish_sidegate_using_subcommand directory; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l data -d 'The data directory of an instance that is stopped' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l admin -d 'The admin listener of an instance that runs, such as `http://127.0.0.1:8481`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l policies -d 'The policy set that decides, for `--data`' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l token -d 'The bearer token for `--admin`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l ca -d 'Certificates in PEM on which that of `--admin` must rest; without it those that the system trusts' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l client-certificate -d 'The certificate in PEM that is shown to `--admin`' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l client-key -d 'Its key in PEM' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l user -d 'Of this user' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l tenant -d 'In this tenant' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l role -d 'Of this role' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l unused-for -d 'Not used for so long, such as `90d`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l expiring-within -d 'What runs out within so long, such as `30d`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l no-login-for -d 'Of users who have not logged in for so long, such as `90d`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l format -d 'The form' -r -f -a "markdown\t'A table for documents'
csv\t'RFC 4180'
json\t'One document with everything'"
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l expired -d 'What has run out'
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -l never-logged-in -d 'Of users who have never logged in'
complete -c sidegate -n "__fish_sidegate_using_subcommand review" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand token" -l name -d 'Who it is for; where it is left out, `application` with `--caller`, otherwise `ops`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand token" -l scopes -d 'What it opens. Of a caller: `decide`, `search`, `access`, and `decide` alone where it is left out; otherwise the other four, and all of them where it is left out' -r -f -a "read\t''
directory\t''
audit\t''
policies\t''
decide\t''
search\t''
access\t''"
complete -c sidegate -n "__fish_sidegate_using_subcommand token" -l output -d 'How to print the result' -r -f -a "human\t'For people'
json\t'One JSON document'"
complete -c sidegate -n "__fish_sidegate_using_subcommand token" -l caller -d 'For a caller of the authorize listener'
complete -c sidegate -n "__fish_sidegate_using_subcommand token" -l operator -d 'Calls that name no actor are the operator\'s, whom no rule of delegation binds'
complete -c sidegate -n "__fish_sidegate_using_subcommand token" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -l config -d 'The configuration file' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -l policies -d 'The directory of the policy set (`policies.directory`)' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -l data -d 'The data directory (`audit.directory`)' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -l authorize-listen -d 'Where applications ask (`server.authorize.listen`)' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -l admin-listen -d 'Where administrators are served (`server.admin.listen`)' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -l ops-listen -d 'Where metrics and probes are (`server.ops.listen`)' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -l admin -d 'The admin listener, where it is not found at `server.admin.listen`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -l ops -d 'The ops listener, where it is not found at `server.ops.listen`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -l token -d 'The bearer token for `--admin`' -r
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -l ca -d 'Certificates in PEM on which that of `--admin` must rest; without it those that the system trusts' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -l client-certificate -d 'The certificate in PEM that is shown to `--admin`' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -l client-key -d 'Its key in PEM' -r -F
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -l output -d 'How to print the findings' -r -f -a "human\t'For people'
json\t'One JSON document'"
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -s v -l verbose -d 'Show what is well, too'
complete -c sidegate -n "__fish_sidegate_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand init" -s h -l help -d 'Print help'
complete -c sidegate -n "__fish_sidegate_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c sidegate -n "__fish_sidegate_using_subcommand completions" -s h -l help -d 'Print help'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "serve" -d 'Run the sidecar'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "check" -d 'Check a policy set and report everything that is wrong with it'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "compile" -d 'Print the Cedar policies that a policy set means'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "test" -d 'Run the policy tests of a policy set, and say what they cover'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "authorize" -d 'Decide one question by a policy set; the exit code is 0 for allow and 2 for deny'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "explain" -d 'Explain one decision: what it rests on or what is missing, then every policy that was considered'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "access" -d 'Show what a user may do: modules, actions, conditions, gates, preset'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "menu" -d 'Show the menu of a user, and what each hidden item lacks'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "matrix" -d 'Print what roles, or users, may do in every module'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "audit" -d 'Read the audit log: of an instance that is stopped (`--data`) or of one that runs (`--admin`)'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "directory" -d 'Move users in and out, and keep the whole directory safe'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "review" -d 'Review access: who has what, since when, given by whom and why, until when, and when it was last used'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "token" -d 'Make a bearer token for the admin listener, and the entry of `server.admin.tokens` that takes it; or for a caller of the authorize listener (`--caller`), and the entry of `server.authorize.callers`'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "doctor" -d 'Look at an instance, running or stopped, and say in plain words what is wrong and what to do'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "init" -d 'Write a small policy set with tests, and a configuration that serves it, into a directory that is new or empty'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "schema" -d 'Print the JSON Schema of a kind of file, for editors that complete and check while typing'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "completions" -d 'Print completions for a shell'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and not __fish_seen_subcommand_from serve check compile test authorize explain access menu matrix audit directory review token doctor init schema completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "list" -d 'List records, newest first, a page at a time'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "export" -d 'Write all records that match, as CSV or NDJSON'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "stats" -d 'How much there is, since when, who is named most often, and what was denied'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "verify" -d 'Check that the log is as it was written: every link, number, manifest, tombstone, anchor and checkpoint'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and __fish_seen_subcommand_from directory" -f -a "import" -d 'Create and change users as a file says, all or none. The form is told by the file\'s name, or by `--format`'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and __fish_seen_subcommand_from directory" -f -a "export" -d 'Write users to standard output, in a form that an import reads'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and __fish_seen_subcommand_from directory" -f -a "backup" -d 'Write the whole directory to standard output: users, roles that were put together, invitations, sessions'
complete -c sidegate -n "__fish_sidegate_using_subcommand help; and __fish_seen_subcommand_from directory" -f -a "restore" -d 'Put a backup in the place of the whole directory. A file that is not whole is refused before anything changes'
