# Sourced by scripts/test and scripts/demo: makes .venv in the clone.
#
#   need_venv runtime    razorg with what it needs to run
#   need_venv test       that, and the tools of the tests
#
# A stamp in .venv remembers for which setup.cfg it was filled, and how far; nothing is done
# when that still holds.  PYTHON names the interpreter to make it with (default: python3).

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
VENV=$ROOT/.venv

need_venv() {
    local level=$1 python=${PYTHON:-python3} stamp=$VENV/razorg-stamp wanted what
    if ! command -v "$python" >/dev/null; then
        echo "razorg needs Python 3.10 or newer, and there is no '$python' here" >&2
        return 1
    fi
    if [ -e "$VENV" ] && ! "$VENV/bin/python" -c "" 2>/dev/null; then
        echo "venv: .venv does not work any more; making it anew" >&2
        rm -rf "$VENV"
    fi
    if [ ! -e "$VENV" ]; then
        if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
            echo "razorg needs Python 3.10 or newer; '$python' is $("$python" -V 2>&1)" >&2
            return 1
        fi
        echo "venv: making .venv with $("$python" -V 2>&1)" >&2
        if ! "$python" -m venv "$VENV"; then
            rm -rf "$VENV"
            echo "'$python -m venv' failed (some systems have it in a package python3-venv)" >&2
            return 1
        fi
    fi
    wanted=$(cat "$ROOT/setup.cfg" "$ROOT/pyproject.toml" | cksum)
    if [ -e "$stamp" ]; then
        case $(cat "$stamp") in
            "test $wanted" | "$level $wanted") return 0 ;;
        esac
    fi
    what=$ROOT
    [ "$level" = test ] && what="$ROOT[test]"
    echo "venv: installing razorg ($level) into .venv" >&2
    rm -f "$stamp"
    if ! PIP_DISABLE_PIP_VERSION_CHECK=1 "$VENV/bin/python" -m pip install --no-input -q --config-settings editable_mode=compat -e "$what"; then
        echo "venv: the installation failed; see above" >&2
        return 1
    fi
    echo "$level $wanted" >"$stamp"
}
