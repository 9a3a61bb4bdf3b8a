# Runs a postmaster and keeps it on a leash: standard input is a pipe held by the owner.
#   $1 the postgres program   $2 the throwaway directory (data, log)
# End of file: the owner is gone, however it died: stop at once and remove everything.
# "leave": go, and let the server live. Any other word is the signal to stop it with.
trap : HUP INT TERM # they end the wait for the owner; the postmaster gets the defaults back
"$1" -D "$2/data" </dev/null >>"$2/log" 2>&1 &
postmaster=$!
word=
read -r word || :
trap '' HUP INT TERM # nothing may interrupt the cleaning up
[ "$word" = leave ] && exit
# Again and again: in its first moments the postmaster is deaf to these signals.
while kill -s "${word:-QUIT}" "$postmaster" 2>/dev/null; do sleep 0.05; done
[ -n "$word" ] || rm -rf "$2"
