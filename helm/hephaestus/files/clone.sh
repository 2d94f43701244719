# Clones REPOSITORY_URL at REPOSITORY_REF into the folder REPOSITORY, with what the folder CREDENTIALS holds, and
# fetches the modules it needs: proofs are built without network.
set -eu

if [ -e "$CREDENTIALS/ssh-privatekey" ]; then
    GIT_SSH_COMMAND="ssh -i $CREDENTIALS/ssh-privatekey -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes"
    GIT_SSH_COMMAND="$GIT_SSH_COMMAND -o UserKnownHostsFile=$CREDENTIALS/known_hosts"
    export GIT_SSH_COMMAND
elif [ -e "$CREDENTIALS/password" ]; then
    # Named, not written out: git asks for them, and they stand in no command line.
    export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=credential.helper
    export GIT_CONFIG_VALUE_0='!f() { printf "username=%s\npassword=%s\n" "$(cat "$CREDENTIALS/username")" "$(cat "$CREDENTIALS/password")"; }; f'
fi
export GIT_TERMINAL_PROMPT=0

# The pod may come up again with what an earlier start left.
find "$REPOSITORY" -mindepth 1 -delete
git clone --quiet --depth "$REPOSITORY_DEPTH" ${REPOSITORY_REF:+--branch "$REPOSITORY_REF"} -- \
    "$REPOSITORY_URL" "$REPOSITORY"
git -C "$REPOSITORY" log -1 --format='cloned %H of %cI'

# A module that cannot be fetched holds up nothing: its packages will not build, and that is told with them.
find "$REPOSITORY" -name go.mod -not -path '*/vendor/*' -not -path '*/testdata/*' | while read -r module; do
    (cd "$(dirname "$module")" && go mod download) || echo "the modules of $module could not be fetched" >&2
done
