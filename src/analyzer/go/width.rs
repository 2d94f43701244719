//! How wide addresses were in the process that wrote a trace.

use memchr::memmem;

/// What begins with this is a pointer, and no small number: programs of 64 bits have their code below it, and their
/// heap far above what 32 bits can hold.
const FAR: u64 = 0x100_0000;
/// Where the code of a program of 64 bits begins on the commonest systems. On others it may begin before.
const CODE: u64 = 0x40_0000;
/// The architectures with addresses of 32 bits, as `GOARCH` names them.
const NARROW: &[&str] = &["386", "arm", "mips", "mipsle"];

/// Whether the process may have had addresses of 32 bits, so that fields lay elsewhere than they do with 64: no address
/// in the text has more than 8 digits, and the text names such an architecture, shows pointers, or says that its code
/// stands where that of most others does not. A text that shows nothing is of a process with 64 bits, as nearly all.
#[must_use]
pub fn may_be_of_32_bits(text: &str) -> bool {
    let (mut far, mut low_code) = (false, false);
    for at in memmem::find_iter(text.as_bytes(), b"0x") {
        let digits = text.get(at + 2..).unwrap_or_default();
        let count = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
        let digits = digits.get(..count).unwrap_or_default().trim_start_matches('0');
        if digits.len() > 8 {
            return false;
        }
        let value = u64::from_str_radix(digits, 16).unwrap_or_default();
        far |= value >= FAR;
        low_code |=
            text.get(..at).is_some_and(|before| before.ends_with("pc=")) && (0x1000..CODE).contains(&value);
    }
    far || low_code || names_narrow(text)
}

/// `linux/arm`, `GOARCH=386`.
fn names_narrow(text: &str) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric();
    ["linux/", "windows/", "freebsd/", "android/", "GOARCH="].iter().any(|head| {
        memmem::find_iter(text.as_bytes(), head.as_bytes()).any(|at| {
            let rest = text.get(at + head.len()..).unwrap_or_default();
            let end = rest.bytes().take_while(is_name).count();
            rest.get(..end).is_some_and(|name| NARROW.contains(&name))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::may_be_of_32_bits;

    /// As programs of either kind print it.
    #[test]
    fn a_trace_tells_how_wide_its_addresses_are() {
        let trace = |address: &str, arguments: &str, rest: &str| {
            format!(
                "panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr={address}]\n\ngoroutine 1 [running]:\nmain.get({arguments})\n\t/app/main.go:8 +0x16\nmain.main()\n\t/app/main.go:13 +0x11d\n{rest}"
            )
        };
        for (address, arguments, rest, narrow) in [
            ("0xc pc=0x80c30f6", "0x0, {0x80d4218, 0x1}", "", true),
            ("0x18 pc=0x47aec0", "0x4859c0?, {0x214fe30506f0?, 0x1?}", "", false),
            ("0x18 pc=0x47aec0", "...", "", false),
            ("0x18 pc=0x47aec0", "0x1c1a0e0", "", true),
            ("0x18 pc=0x47aec0", "0xc00001c0a0, 0x1c1a0e0", "", false),
            ("0x18 pc=0x7b2ac", "...", "", true),
            ("0x18 pc=0x7b2ac", "0x40000b2000", "", false),
            ("0x18 pc=0x47aec0", "...", "built with go1.22.1 linux/arm\n", true),
            ("0x18 pc=0x47aec0", "...", "built with go1.22.1 linux/arm64\n", false),
            ("0x18 pc=0x47aec0", "0x000000000000001", "", false),
        ] {
            assert_eq!(
                may_be_of_32_bits(&trace(address, arguments, rest)),
                narrow,
                "{address} {arguments} {rest}"
            );
        }
        for hostile in ["", "0x", "é0xé", "pc=0x", "linux/", "GOARCH=é", "0xffffffffffffffffffffffff"] {
            assert!(!may_be_of_32_bits(hostile), "{hostile}");
        }
    }
}
