//! CIFAR's binary batches, whole and broken.

use serde_json::json;

use super::project::Project;

/// A record: labels, then three planes with their own constant value.
fn record(labels: &[u8], planes: [u8; 3]) -> Vec<u8> {
    let planes = planes.iter().flat_map(|&value| std::iter::repeat_n(value, 1024));
    labels.iter().copied().chain(planes).collect()
}

pub(crate) fn write_cifar_10(project: &Project) {
    let names: Vec<String> = (0..10).map(|class| format!("class {class}")).collect();
    project.write("cifar/batches.meta.txt", names.join("\n") + "\n\n");
    for batch in 1..=5_u8 {
        let records: Vec<u8> =
            (0..10).flat_map(|class| record(&[class], [class, batch, 200])).collect();
        project.write(&format!("cifar/data_batch_{batch}.bin"), records);
    }
    let records: Vec<u8> = (0..10).flat_map(|class| record(&[class], [class, 0, 100])).collect();
    project.write("cifar/test_batch.bin", records);
}

fn write_cifar_100(project: &Project) {
    let names =
        |count: u8| (0..count).map(|class| class.to_string()).collect::<Vec<_>>().join("\n");
    project.write("cifar/fine_label_names.txt", names(100));
    project.write("cifar/coarse_label_names.txt", names(20));
    for (file, copies) in [("train", 3), ("test", 1)] {
        let labels = (0..copies).flat_map(|_| 0..100);
        let records: Vec<u8> =
            labels.flat_map(|fine| record(&[fine % 20, fine], [fine, 0, 0])).collect();
        project.write(&format!("cifar/{file}.bin"), records);
    }
}

#[test]
fn cifar_10_is_read_plane_by_plane() {
    let project = Project::new();
    write_cifar_10(&project);
    let with =
        json!({ "source": { "kind": "cifar", "path": "cifar/" }, "split": { "validation": 0.2 } });
    let outputs = project.run(&with).unwrap();
    let (dataset, testset) = (outputs.dataset(), outputs.testset());
    assert_eq!((dataset.training.len(), dataset.validation.len()), (40, 10));
    assert_eq!(dataset.card.classes[3], "class 3");
    for i in 0..40 {
        let label = u8::try_from(dataset.training.labels[i]).unwrap();
        let pixel = &dataset.training.image(i)[..3];
        assert_eq!((pixel[0], pixel[2]), (label, 200));
    }
    assert_eq!(testset.images.labels, (0..10).collect::<Vec<u16>>());
    assert_eq!(testset.images.image(9)[3..6], [9, 0, 100]);
    assert!(testset.card.mean.is_empty() && !testset.card.synthetic);
    assert!((dataset.card.mean[2] - 200.0).abs() < 1e-9);
}

#[test]
fn cifar_100_has_two_sets_of_labels() {
    let project = Project::new();
    write_cifar_100(&project);
    for (variant, classes) in [("cifar100", 100), ("cifar100_coarse", 20)] {
        let with = json!({
            "source": { "kind": "cifar", "path": "cifar", "variant": variant },
            "split": { "validation": 100 },
        });
        let dataset = project.run(&with).unwrap().dataset();
        assert_eq!(dataset.card.classes.len(), classes);
        let (label, fine) = (dataset.training.labels[7], dataset.training.image(7)[0]);
        assert_eq!(usize::from(label), usize::from(fine) % classes);
    }
}

#[test]
fn broken_batches_say_what_is_wrong() {
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("data_batch_3.bin", vec![0; 3072], "has 3072 bytes, no multiple of 3073"),
        ("data_batch_3.bin", Vec::new(), "has 0 bytes"),
        ("test_batch.bin", record(&[10], [0; 3]), "has label 10 at image 0, but there are 10"),
        ("batches.meta.txt", b"cat\ndog\n".to_vec(), "names 2 classes, not 10"),
    ];
    for (file, bytes, said) in cases {
        let project = Project::new();
        write_cifar_10(&project);
        project.write(&format!("cifar/{file}"), bytes);
        let error = project.failure(&json!({ "source": { "kind": "cifar", "path": "cifar" } }));
        assert!(error.contains(said), "wanted `{said}`, got `{error}`");
    }
}
