# Stands by while a throwaway directory is filled: standard input is a pipe held by the owner.
#   $1 the directory
# "done": a guard looks after it from now on. End of file: the owner is gone; remove everything.
trap '' HUP INT TERM # nothing may interrupt the cleaning up
read -r word || :
[ "$word" = "done" ] && exit
# Again and again: initdb does not know yet that its owner is gone, and writes on.
until rm -rf "$1" 2>/dev/null; do sleep 0.05; done
