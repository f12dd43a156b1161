"""Package names of kernel images, as distributions and vendors form them, with the release that each has."""

IMAGES = {
    "linux-image-6.1.0-18-amd64": "6.1.0-18-amd64",
    "linux-image-6.1.0-18-amd64-unsigned": "6.1.0-18-amd64",
    "linux-image-6.12.12+deb13-amd64": "6.12.12+deb13-amd64",
    "linux-image-5.10.0-0.deb10.16-amd64": "5.10.0-0.deb10.16-amd64",
    "linux-image-6.13-rc6-amd64": "6.13-rc6-amd64",
    "linux-image-6.9.3": "6.9.3",
    "linux-image-6.8.0-31-generic": "6.8.0-31-generic",
    "linux-image-unsigned-6.8.0-31-generic": "6.8.0-31-generic",
    "proxmox-kernel-6.8.12-5-pve": "6.8.12-5-pve",
    "proxmox-kernel-6.8.12-5-pve-signed": "6.8.12-5-pve",
    "pve-kernel-5.15.131-2-pve": "5.15.131-2-pve",
}
